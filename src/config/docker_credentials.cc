#include "config/docker_credentials.h"

#include <atomic>
#include <cerrno>

#include "base/task_group.h"
#include "base/text.h"
#include "base/text_file.h"
#include "config/credential_helper.h"

namespace transship::config {

namespace {

using registry::Credential;
using Found = std::optional<Credential>;

constexpr std::uintmax_t kMaxFile = 4U << 20U;

// Nothing when there is no such file.
Result<std::optional<std::string>> read_if_there(const std::filesystem::path& path) {
  std::error_code ec;
  const auto size = std::filesystem::file_size(path, ec);
  if (ec == std::errc::no_such_file_or_directory || ec == std::errc::not_a_directory) {
    return std::optional<std::string>();
  }
  if (!ec && size > kMaxFile) {
    return fail(Errc::kTooLarge, path.string() + ": no credential file is above 4 MiB");
  }
  if (ec) return std::unexpected(errno_error(ec.value(), "read " + path.string()));
  return read_file(path);
}

Result<std::vector<CredentialFile>> read_all(const CredentialPaths& paths) {
  std::vector<CredentialFile> out;
  if (!paths.inline_json.empty()) {
    TS_TRY(CredentialFile file, parse_credential_file(paths.inline_json, "$DOCKER_AUTH_CONFIG"));
    out.push_back(std::move(file));
  }
  for (const auto& path : paths.files) {
    TS_TRY(auto text, read_if_there(path));
    if (!text) continue;
    Result<CredentialFile> file = parse_credential_file(*text, path.string());
    registry::wipe(*text);
    if (!file) return std::unexpected(std::move(file).error());
    out.push_back(std::move(*file));
  }
  return out;
}

}  // namespace

/// A helper's answer, and those who wait for it.
struct DockerCredentials::Asked {
  explicit Asked(const Executor& executor) : changed(executor) {}
  std::optional<Result<Found>> answer;
  Clock::time_point at;
  bool running = false;
  Event changed;
};

DockerCredentials::DockerCredentials(WorkerPool& pool, TimeSource& time, CredentialPaths paths,
                                     Limits limits)
    : pool_(pool), time_(time), paths_(std::move(paths)), limits_(limits) {}

DockerCredentials::~DockerCredentials() = default;

Task<Result<Found>> DockerCredentials::lookup(std::string host, std::string repository) {
  TS_CO_TRY(const auto all, co_await files());
  for (const CredentialFile& file : *all) {
    CredentialLead lead = find_credential(file, host, repository);
    if (!lead.helper.empty()) {
      Result<Found> answer = co_await ask_helper(lead.helper, normalise_key(host));
      if (!answer) co_return std::unexpected(std::move(answer).error().within(file.name));
      if (*answer) co_return answer;
    }
    if (lead.entry) co_return lead.entry;
  }
  co_return Found();
}

void DockerCredentials::refused(const std::string& host) {
  const std::string normal = normalise_key(host);
  for (auto& [key, asked] : asked_) {
    if (key.second == normal && !asked->running) asked->answer.reset();
  }
  files_.reset();
}

Task<Result<std::shared_ptr<const DockerCredentials::Files>>> DockerCredentials::files() {
  if (!read_) read_ = std::make_unique<Event>(co_await current_executor());
  while (reading_) TS_CO_TRY(co_await read_->wait());
  if (files_ && time_.now() - files_read_ < limits_.files_for) co_return files_;
  reading_ = true;
  auto read = co_await pool_.run([paths = paths_] { return read_all(paths); });
  reading_ = false;
  read_->notify_all();
  if (!read) co_return std::unexpected(std::move(read).error());
  files_ = std::make_shared<const Files>(std::move(*read));
  files_read_ = time_.now();
  co_return files_;
}

Task<Result<Found>> DockerCredentials::ask_helper(std::string name, std::string host) {
  auto& entry = asked_[{name, host}];
  if (!entry) entry = std::make_shared<Asked>(co_await current_executor());
  const std::shared_ptr<Asked> asked = entry;
  while (true) {
    if (asked->answer && time_.now() - asked->at < limits_.helpers_for) co_return *asked->answer;
    if (!asked->running) break;
    TS_CO_TRY(co_await asked->changed.wait());
  }
  asked->running = true;
  Result<Found> answer = co_await run_helper(std::move(name), std::move(host));
  asked->running = false;
  const bool cancelled = !answer && answer.error().code == Errc::kCancelled;
  if (!cancelled) {
    asked->answer = answer;
    asked->at = time_.now();
  }
  asked->changed.notify_all();
  co_return answer;
}

Task<Result<Found>> DockerCredentials::run_helper(std::string name, std::string host) {
  // What the job and its waiter share: the job ends soon after it is told to.
  struct Shared {
    explicit Shared(const Executor& executor) : done(executor) {}
    std::atomic<bool> cancelled{false};
    Result<Found> answer = fail(Errc::kInternal, "the helper's job never ran");
    bool ended = false;
    Event done;
  };
  const Executor executor = co_await current_executor();
  const auto shared = std::make_shared<Shared>(executor);
  const auto work = [](WorkerPool& pool, std::shared_ptr<Shared> state, std::string helper,
                       std::string server, std::chrono::milliseconds limit) -> Task<Result<void>> {
    state->answer = co_await pool.run([state, helper, server, limit] {
      return CredentialHelper(helper, limit).get(server, &state->cancelled);
    });
    state->ended = true;
    state->done.notify_all();
    co_return Result<void>{};
  };
  TaskGroup group(executor, TaskGroup::OnFailure::kKeepGoing);
  group.spawn(work(pool_, shared, std::move(name), docker_key(host), limits_.helper));
  while (!shared->ended) {
    if (!co_await shared->done.wait()) break;
  }
  if (!shared->ended) shared->cancelled = true;
  TS_CO_TRY(co_await group.join());
  co_return shared->answer;
}

}  // namespace transship::config

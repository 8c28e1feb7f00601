#include "storage/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <variant>

#include "base/log.h"
#include "base/text.h"
#include "base/worker_pool.h"
#include "storage/sqlite.h"

namespace transship::storage {

namespace {

constexpr const char* kVersion = "1";
constexpr const char* kSchema =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tag(target TEXT, tag TEXT, digest TEXT, evidence TEXT,"
    " PRIMARY KEY(target, tag)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS blob(store TEXT, digest TEXT, repository TEXT,"
    " PRIMARY KEY(store, digest)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS pass(id INTEGER PRIMARY KEY, job TEXT, began INTEGER,"
    " complete INTEGER, summary TEXT);";

// A row to write: the statement and its texts.
struct Write {
  const char* sql;
  std::vector<std::string> values;
};

Result<std::string> stored_version(Database& database) {
  TS_TRY(auto query, Statement::prepare(database, "SELECT value FROM meta WHERE key='version'"));
  TS_TRY(const bool found, query.step());
  return found ? query.text(0) : std::string();
}

// Opens, makes the tables, and checks that they are ours.
Result<Database> open_checked(const std::filesystem::path& file) {
  TS_TRY(auto database, Database::open(file));
  ::chmod(file.c_str(), 0600);
  TS_TRY(database.run(kSchema));
  TS_TRY(const auto version, stored_version(database));
  if (!version.empty() && version != kVersion) {
    return fail(Errc::kUnsupported, "the journal is of version " + printable(version));
  }
  if (version.empty()) {
    TS_TRY(auto insert, Statement::prepare(database, "INSERT INTO meta VALUES('version', ?)"));
    TS_TRY(const bool row, insert.bind(1, std::string_view(kVersion)).step());
    (void)row;
  }
  return database;
}

}  // namespace

struct Journal::State {
  explicit State(Database db) : database(std::move(db)) {}

  Result<void> write_all(const std::vector<Write>& batch) {
    TS_TRY(database.run("BEGIN"));
    std::map<const char*, Statement> prepared;
    for (const Write& write : batch) {
      auto found = prepared.find(write.sql);
      if (found == prepared.end()) {
        TS_TRY(auto statement, Statement::prepare(database, write.sql));
        found = prepared.emplace(write.sql, std::move(statement)).first;
      }
      int index = 1;
      for (const auto& value : write.values) found->second.bind(index++, value);
      TS_TRY(const bool row, found->second.step());
      (void)row;
      found->second.reset();
    }
    prepared.clear();
    return database.run("COMMIT");
  }

  void add(const char* sql, std::vector<std::string> values) {
    if (trouble.empty()) pending.push_back({sql, std::move(values)});
  }

  Database database;
  std::vector<Write> pending;
  std::string trouble;
  WorkerPool thread{1};
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}

Journal::~Journal() {
  if (state_->trouble.empty() && !state_->pending.empty()) {
    if (const auto written = state_->write_all(state_->pending); !written) {
      log_warning("{}; what this run learned is not kept", written.error().message);
    }
  }
}

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& directory) {
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return std::unexpected(errno_error(ec.value(), "make " + directory.string()));
  ::chmod(directory.c_str(), 0700);
  const auto file = directory / "journal.db";
  auto database = open_checked(file);
  if (!database &&
      (database.error().code == Errc::kMalformed || database.error().code == Errc::kUnsupported)) {
    log_warning("{}: {}; it is moved aside, and a new one begun", file.string(),
                database.error().message);
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::rename(file.string() + suffix, file.string() + ".old" + suffix, ec);
    }
    database = open_checked(file);
  }
  if (!database) return std::unexpected(std::move(database).error());
  return std::unique_ptr<Journal>(new Journal(std::make_unique<State>(std::move(*database))));
}

Task<Result<std::map<std::string, Journal::TagRow>>> Journal::tags(std::string target,
                                                                   std::vector<std::string> names) {
  co_await flush();
  co_return co_await state_->thread.run(
      [this, target, names]() -> Result<std::map<std::string, TagRow>> {
        TS_TRY(auto query, Statement::prepare(state_->database,
                                              "SELECT digest, evidence FROM tag "
                                              "WHERE target=? AND tag=?"));
        std::map<std::string, TagRow> out;
        for (const std::string& name : names) {
          query.bind(1, target).bind(2, name);
          TS_TRY(const bool found, query.step());
          // A row that does not parse is a row that is not there.
          if (auto digest = found ? oci::Digest::parse(query.text(0))
                                  : Result<oci::Digest>(fail(Errc::kNotFound, ""))) {
            out[name] = {.digest = std::move(*digest), .evidence = query.text(1)};
          }
          query.reset();
        }
        return out;
      });
}

void Journal::put_tag(const std::string& target, const std::string& tag, TagRow row) {
  state_->add("INSERT OR REPLACE INTO tag VALUES(?,?,?,?)",
              {target, tag, row.digest.to_string(), row.evidence});
}

void Journal::forget_tag(const std::string& target, const std::string& tag) {
  state_->add("DELETE FROM tag WHERE target=? AND tag=?", {target, tag});
}

Task<Result<std::optional<std::string>>> Journal::blob(std::string store, oci::Digest digest) {
  co_return co_await state_->thread.run(
      [this, store, digest]() -> Result<std::optional<std::string>> {
        TS_TRY(auto query,
               Statement::prepare(state_->database,
                                  "SELECT repository FROM blob WHERE store=? AND digest=?"));
        query.bind(1, store).bind(2, digest.to_string());
        TS_TRY(const bool found, query.step());
        return found ? std::optional(query.text(0)) : std::nullopt;
      });
}

void Journal::put_blob(const std::string& store, const oci::Digest& digest,
                       const std::string& repository) {
  state_->add("INSERT OR REPLACE INTO blob VALUES(?,?,?)", {store, digest.to_string(), repository});
}

void Journal::put_pass(const std::string& job, std::chrono::system_clock::time_point began,
                       bool complete, const std::string& summary) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(began.time_since_epoch()).count();
  state_->add("INSERT INTO pass(job, began, complete, summary) VALUES(?,?,?,?)",
              {job, std::to_string(seconds), complete ? "1" : "0", summary});
}

Task<void> Journal::flush() {
  if (state_->pending.empty() || !state_->trouble.empty()) co_return;
  auto batch = std::make_shared<std::vector<Write>>(std::exchange(state_->pending, {}));
  const auto written =
      co_await state_->thread.run([this, batch] { return state_->write_all(*batch); });
  if (written) co_return;
  state_->trouble = written.error().message;
  state_->pending.clear();
  log_warning("{}; the pass goes on, what it learns is not kept", state_->trouble);
}

const std::string& Journal::trouble() const { return state_->trouble; }

Result<JobLock> JobLock::take(const std::filesystem::path& directory, const std::string& job) {
  const auto file = directory / (percent_encode(job) + ".lock");
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return std::unexpected(errno_error(errno, "lock " + file.string()));
  JobLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const auto n = ::pread(fd, holder, sizeof holder - 1, 0);
    const std::string who = n > 0 ? std::string(trim(holder)) : "unknown";
    return std::unexpected(Error{
        .code = Errc::kConflict,
        .message =
            "job '" + job + "' is running already: process " + who + " holds " + file.string(),
        .hint = "wait for it to end, or give this run another --state directory"});
  }
  const std::string mine = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, mine.data(), mine.size(), 0);
  return lock;
}

JobLock::~JobLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace transship::storage

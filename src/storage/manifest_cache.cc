#include "storage/manifest_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "base/text.h"
#include "base/worker_pool.h"
#include "storage/sqlite.h"

namespace transship::storage {

namespace {

// What a power loss takes is asked again.
constexpr const char* kModes = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;";
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS manifest(digest TEXT PRIMARY KEY, type TEXT, bytes TEXT,"
    " size INTEGER, used INTEGER) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS manifest_used ON manifest(used);"
    "CREATE TABLE IF NOT EXISTS tag(repository TEXT, tag TEXT, digest TEXT,"
    " PRIMARY KEY(repository, tag)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS tag_digest ON tag(digest);";

Result<std::uint64_t> number(Database& database, const char* sql) {
  TS_TRY(auto query, Statement::prepare(database, sql));
  TS_TRY(const bool found, query.step());
  return found ? parse_u64(query.text(0)).value_or(0) : 0;
}

Result<Database> open_checked(const std::filesystem::path& file) {
  TS_TRY(auto database, Database::open(file));
  ::chmod(file.c_str(), 0600);
  // Of a new file this writes the head.
  TS_TRY(fault_step<"journal-commit">([&] { return database.run(kModes); }));
  TS_TRY(database.transaction([&] { return database.run(kSchema); }));
  return database;
}

void remove_files(const std::filesystem::path& file) {
  std::error_code ec;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(file.string() + suffix, ec);
  }
}

}  // namespace

// Its members belong to the thread, but for `kept` and `trouble`.
struct ManifestCache::State {
  State(Database db, std::uint64_t most) : database(std::move(db)), most_bytes(most) {}

  Result<void> count() {
    TS_TRY(bytes, number(database, "SELECT COALESCE(SUM(size), 0) FROM manifest"));
    TS_TRY(uses, number(database, "SELECT COALESCE(MAX(used), 0) FROM manifest"));
    opened_at = uses;
    return {};
  }
  Result<std::optional<Stored>> find(const std::string& digest);
  Result<std::string> tag(const std::string& repository, const std::string& tag);
  /// What had to go for it, of what this run had put in.
  Result<Kept> put(const std::string& digest, const Stored& stored, const std::string& repository,
                   const std::string& tag);
  Result<Kept> make_room();

  /// The first failure ends the cache's work.
  template <class T>
  std::optional<T> checked(Result<T> result) {
    if (result) return std::move(*result);
    if (!std::exchange(trouble, true)) {
      log_warning("manifest cache: {}; it is not used any more", result.error().message);
    }
    return std::nullopt;
  }

  Database database;
  std::uint64_t most_bytes;
  std::uint64_t bytes = 0;
  std::uint64_t uses = 0;
  std::uint64_t opened_at = 0;
  Kept kept;
  bool trouble = false;
  WorkerPool thread{1};
};

Result<std::optional<ManifestCache::Stored>> ManifestCache::State::find(const std::string& digest) {
  TS_TRY(auto query,
         Statement::prepare(database, "SELECT type, bytes FROM manifest WHERE digest=?"));
  TS_TRY(const bool found, query.bind(1, digest).step());
  if (!found) return std::optional<Stored>();
  Stored out{.media_type = query.text(0), .bytes = query.text(1)};
  query.reset();
  // What this run put in stays marked as that.
  TS_TRY(auto touch,
         Statement::prepare(database, "UPDATE manifest SET used=? WHERE digest=? AND used<=?"));
  touch.bind(1, static_cast<std::int64_t>(opened_at)).bind(2, digest);
  TS_TRY(const bool row, touch.bind(3, static_cast<std::int64_t>(opened_at)).step());
  (void)row;
  return std::optional(std::move(out));
}

Result<std::string> ManifestCache::State::tag(const std::string& repository,
                                              const std::string& name) {
  TS_TRY(auto query,
         Statement::prepare(database, "SELECT digest FROM tag WHERE repository=? AND tag=?"));
  TS_TRY(const bool found, query.bind(1, repository).bind(2, name).step());
  return found ? query.text(0) : std::string();
}

Result<ManifestCache::Kept> ManifestCache::State::put(const std::string& digest,
                                                      const Stored& stored,
                                                      const std::string& repository,
                                                      const std::string& tag) {
  TS_TRY(auto insert,
         Statement::prepare(database, "INSERT OR IGNORE INTO manifest VALUES(?,?,?,?,?)"));
  insert.bind(1, digest).bind(2, stored.media_type).bind(3, stored.bytes);
  insert.bind(4, static_cast<std::int64_t>(stored.bytes.size()));
  TS_TRY(bool row, insert.bind(5, static_cast<std::int64_t>(++uses)).step());
  (void)row;
  TS_TRY(const std::uint64_t changed, number(database, "SELECT changes()"));
  if (changed > 0) bytes += stored.bytes.size();
  if (!tag.empty()) {
    TS_TRY(auto name, Statement::prepare(database, "INSERT OR REPLACE INTO tag VALUES(?,?,?)"));
    TS_TRY(row, name.bind(1, repository).bind(2, tag).bind(3, digest).step());
  }
  return make_room();
}

Result<ManifestCache::Kept> ManifestCache::State::make_room() {
  Kept gone;
  while (bytes > most_bytes) {
    TS_TRY(auto oldest, Statement::prepare(database,
                                           "SELECT digest, size, used FROM manifest "
                                           "ORDER BY used LIMIT 1"));
    TS_TRY(const bool found, oldest.step());
    if (!found) break;
    const std::string digest = oldest.text(0);
    const std::uint64_t size = parse_u64(oldest.text(1)).value_or(0);
    const bool own = parse_u64(oldest.text(2)).value_or(0) > opened_at;
    oldest.reset();
    TS_TRY(auto names, Statement::prepare(database, "DELETE FROM tag WHERE digest=?"));
    TS_TRY(bool row, names.bind(1, digest).step());
    TS_TRY(const std::uint64_t tags, number(database, "SELECT changes()"));
    TS_TRY(auto remove, Statement::prepare(database, "DELETE FROM manifest WHERE digest=?"));
    TS_TRY(row, remove.bind(1, digest).step());
    (void)row;
    bytes -= std::min(bytes, size);
    if (own) gone.manifests += std::max<std::uint64_t>(tags, 1);
    if (own) gone.by_tag += tags;
  }
  return gone;
}

ManifestCache::ManifestCache(std::unique_ptr<State> state) : state_(std::move(state)) {}

ManifestCache::~ManifestCache() = default;

Result<std::unique_ptr<ManifestCache>> ManifestCache::open(const std::filesystem::path& directory,
                                                           std::uint64_t most_bytes) {
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return std::unexpected(errno_error(ec.value(), "make " + directory.string()));
  ::chmod(directory.c_str(), 0700);
  const auto file = directory / "manifests.db";
  for (const bool again : {false, true}) {
    auto database = open_checked(file);
    auto state = database ? std::make_unique<State>(std::move(*database), most_bytes) : nullptr;
    const Result<void> usable = state ? state->count() : std::unexpected(database.error());
    if (usable) return std::unique_ptr<ManifestCache>(new ManifestCache(std::move(state)));
    if (again || usable.error().code == Errc::kNoSpace) return std::unexpected(usable.error());
    state.reset();
    remove_files(file);
  }
  return fail(Errc::kInternal, "no way out of the loop");
}

Task<std::optional<ManifestCache::Stored>> ManifestCache::find(oci::Digest digest) {
  if (state_->trouble) co_return std::nullopt;
  auto found = co_await state_->thread.run(
      [state = state_.get(), text = digest.to_string()] { return state->find(text); });
  co_return state_->checked(std::move(found)).value_or(std::nullopt);
}

Task<std::optional<oci::Digest>> ManifestCache::tag(std::string repository, std::string tag) {
  if (state_->trouble) co_return std::nullopt;
  auto found = co_await state_->thread.run(
      [state = state_.get(), repository, tag] { return state->tag(repository, tag); });
  auto digest = oci::Digest::parse(state_->checked(std::move(found)).value_or(""));
  co_return digest ? std::optional(std::move(*digest)) : std::nullopt;
}

Task<void> ManifestCache::put(const oci::Manifest& manifest, std::string repository,
                              std::string tag) {
  if (state_->trouble) co_return;
  const bool tagged = !tag.empty();
  Stored stored{.media_type = manifest.media_type, .bytes = manifest.bytes};
  auto done = co_await state_->thread.run(
      [state = state_.get(), stored = std::move(stored), digest = manifest.digest.to_string(),
       repository, tag] { return state->put(digest, stored, repository, tag); });
  const auto gone = state_->checked(std::move(done));
  if (!gone) co_return;
  Kept& kept = state_->kept;
  kept.manifests += 1;
  kept.by_tag += tagged ? 1 : 0;
  kept.manifests -= std::min(kept.manifests, gone->manifests);
  kept.by_tag -= std::min(kept.by_tag, gone->by_tag);
}

ManifestCache::Kept ManifestCache::kept() const { return state_->kept; }

}  // namespace transship::storage

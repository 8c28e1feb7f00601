#include "storage/journal.h"

#include <sys/stat.h>

#include <cassert>

#include "base/fault_point.h"
#include "base/log.h"
#include "base/text.h"
#include "base/worker_pool.h"
#include "oci/hash_state_text.h"
#include "storage/run_mark.h"
#include "storage/sqlite.h"

namespace transship::storage {

namespace {

constexpr const char* kVersion = "2";
constexpr const char* kModes = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;";
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tag(target TEXT, tag TEXT, digest TEXT, evidence TEXT,"
    " PRIMARY KEY(target, tag)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS blob(store TEXT, digest TEXT, repository TEXT,"
    " PRIMARY KEY(store, digest)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS upload(target TEXT, digest TEXT, location TEXT, chunk_min INTEGER,"
    " chunk_max INTEGER, run INTEGER, touched INTEGER, PRIMARY KEY(target, digest)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS upload_state(target TEXT, digest TEXT, length INTEGER, state TEXT,"
    " PRIMARY KEY(target, digest, length)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS feature(store TEXT, feature TEXT, works INTEGER, seen INTEGER,"
    " PRIMARY KEY(store, feature)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS sent(target TEXT, began INTEGER, bytes INTEGER, took INTEGER,"
    " PRIMARY KEY(target, began)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS pass(id INTEGER PRIMARY KEY, job TEXT, began INTEGER,"
    " complete INTEGER, summary TEXT);";

constexpr std::chrono::hours kUploadsKept{7 * 24};
// What a row may hold when it is read back: locations of distribution have some 500 bytes, and a
// blob of a TiB has fewer states than this.
constexpr std::size_t kLongestLocation = 8192;
constexpr std::size_t kMostStates = 1U << 17U;

std::string seconds_text(std::chrono::system_clock::time_point when) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count());
}

// A row to write: the statement and its texts.
struct Write {
  const char* sql;
  std::vector<std::string> values;
};

Result<void> write_row(Database& database, const char* sql, const std::string& value) {
  TS_TRY(auto statement, Statement::prepare(database, sql));
  TS_TRY(const bool row, statement.bind(1, value).step());
  (void)row;
  return {};
}

Result<std::string> stored_version(Database& database) {
  TS_TRY(auto query, Statement::prepare(database, "SELECT value FROM meta WHERE key='version'"));
  TS_TRY(const bool found, query.step());
  return found ? query.text(0) : std::string();
}

// Several queries under one lock: each would take its own. Without it they do as well.
class OneLook {
 public:
  explicit OneLook(Database& database) : database_(database) { run("BEGIN"); }
  OneLook(const OneLook&) = delete;
  OneLook& operator=(const OneLook&) = delete;
  ~OneLook() { run("COMMIT"); }

 private:
  void run(const char* sql) {
    if (const auto done = database_.run(sql); !done) log_debug("{}", done.error().message);
  }

  Database& database_;
};

// Opens, makes the tables, and checks that they are ours.
Result<Database> open_checked(const std::filesystem::path& file) {
  TS_TRY(auto database, Database::open(file));
  ::chmod(file.c_str(), 0600);
  // Of a new file this writes the head.
  fault_point<"journal-commit.before">();
  TS_TRY(database.run(kModes));
  fault_point<"journal-commit.after">();
  TS_TRY(database.transaction([&database]() -> Result<void> {
    TS_TRY(database.run(kSchema));
    TS_TRY(const auto version, stored_version(database));
    if (!version.empty() && version != kVersion) {
      return fail(Errc::kUnsupported, "the journal is of version " + printable(version));
    }
    if (!version.empty()) return {};
    return write_row(database, "INSERT INTO meta VALUES('version', ?)", kVersion);
  }));
  return database;
}

// Uploads that nobody will go on with, and states that belong to none.
Result<void> forget_old_uploads(Database& database, std::chrono::system_clock::time_point now) {
  return database.transaction([&]() -> Result<void> {
    TS_TRY(write_row(database, "DELETE FROM upload WHERE touched < CAST(? AS INTEGER)",
                     seconds_text(now - kUploadsKept)));
    return database.run(
        "DELETE FROM upload_state WHERE NOT EXISTS (SELECT 1 FROM upload WHERE"
        " upload.target=upload_state.target AND upload.digest=upload_state.digest)");
  });
}

// States that do not parse, or belong to another row, are states that are not there.
Result<std::vector<oci::HashState>> read_states(Database& database, const std::string& target,
                                                const std::string& digest) {
  TS_TRY(auto query, Statement::prepare(database,
                                        "SELECT state FROM upload_state WHERE target=? AND "
                                        "digest=? ORDER BY length"));
  query.bind(1, target).bind(2, digest);
  std::vector<oci::HashState> out;
  while (out.size() < kMostStates) {
    TS_TRY(const bool found, query.step());
    if (!found) break;
    const auto state = oci::parse_hash_state(query.text(0));
    if (state && digest.starts_with(to_string(state->algorithm)) &&
        (out.empty() || state->length > out.back().length)) {
      out.push_back(*state);
    }
  }
  return out;
}

Result<std::optional<Journal::Upload>> read_upload(Database& database, const std::string& target,
                                                   const std::string& digest, const RunMark& mark) {
  TS_TRY(auto query, Statement::prepare(database,
                                        "SELECT location, chunk_min, chunk_max, run FROM upload "
                                        "WHERE target=? AND digest=?"));
  query.bind(1, target).bind(2, digest);
  TS_TRY(const bool found, query.step());
  if (!found || query.text(0).empty() || query.text(0).size() > kLongestLocation) {
    return std::nullopt;
  }
  // Another run is at it: two writers of one session would spoil it for both.
  const auto run = parse_u64(query.text(3));
  if (!run || mark.alive(static_cast<std::int64_t>(*run))) return std::nullopt;
  Journal::Upload upload;
  upload.session.location = query.text(0);
  upload.session.chunk_min = parse_u64(query.text(1)).value_or(0);
  upload.session.chunk_max = parse_u64(query.text(2)).value_or(0);
  TS_TRY(upload.states, read_states(database, target, digest));
  return upload;
}

}  // namespace

struct Journal::State {
  State(Database db, RunMark of) : database(std::move(db)), mark(std::move(of)) {}

  Result<void> write_all(const std::vector<Write>& batch) {
    return database.transaction([&] { return write_rows(batch); });
  }

  Result<void> write_rows(const std::vector<Write>& batch) {
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
    return {};
  }

  void add(const char* sql, std::vector<std::string> values) {
    if (trouble.empty()) pending.push_back({sql, std::move(values)});
  }

  /// On the journal's thread.
  template <class F>
  Task<std::invoke_result_t<F&>> run(F job) {
    ++under_way;
    auto out = co_await thread.run(std::move(job));
    --under_way;
    co_return out;
  }

  /// Asked once for each blob that a pass meets, so it is prepared once.
  Result<std::optional<std::string>> repository_of_blob(const std::string& store,
                                                        const oci::Digest& digest) {
    if (!find_blob) {
      TS_TRY(find_blob, Statement::prepare(
                            database, "SELECT repository FROM blob WHERE store=? AND digest=?"));
    }
    find_blob->bind(1, store).bind(2, digest.to_string());
    const Result<bool> found = find_blob->step();
    auto out = found && *found ? std::optional(find_blob->text(0)) : std::nullopt;
    find_blob->reset();
    if (!found) return std::unexpected(found.error());
    return out;
  }

  Database database;
  std::optional<Statement> find_blob;
  RunMark mark;
  std::size_t under_way = 0;
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

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& directory,
                                               std::chrono::system_clock::time_point now) {
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
  TS_TRY(forget_old_uploads(*database, now));
  TS_TRY(RunMark mark, RunMark::take(directory));
  return std::unique_ptr<Journal>(
      new Journal(std::make_unique<State>(std::move(*database), std::move(mark))));
}

Task<Result<std::map<std::string, Journal::TagRow>>> Journal::tags(std::string target,
                                                                   std::vector<std::string> names) {
  co_await flush();
  co_return co_await state_->run([this, target, names]() -> Result<std::map<std::string, TagRow>> {
    const OneLook look(state_->database);
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

void Journal::put_tag(const std::string& target, const std::string& tag, const TagRow& row) {
  state_->add("INSERT OR REPLACE INTO tag VALUES(?,?,?,?)",
              {target, tag, row.digest.to_string(), row.evidence});
}

Task<Result<std::optional<std::string>>> Journal::blob(std::string store, oci::Digest digest) {
  co_return co_await state_->run(
      [this, store, digest] { return state_->repository_of_blob(store, digest); });
}

void Journal::put_blob(const std::string& store, const oci::Digest& digest,
                       const std::string& repository) {
  state_->add("INSERT OR REPLACE INTO blob VALUES(?,?,?)", {store, digest.to_string(), repository});
}

void Journal::put_pass(const std::string& job, std::chrono::system_clock::time_point began,
                       bool complete, const std::string& summary) {
  state_->add("INSERT INTO pass(job, began, complete, summary) VALUES(?,?,?,?)",
              {job, seconds_text(began), complete ? "1" : "0", summary});
  state_->add(
      "DELETE FROM pass WHERE job=?1 AND id<=(SELECT id FROM pass WHERE job=?1"
      " ORDER BY id DESC LIMIT 1 OFFSET 1000)",
      {job});
}

Task<Result<std::optional<Journal::Upload>>> Journal::upload(std::string target,
                                                             oci::Digest digest) {
  co_await flush();
  co_return co_await state_->run([this, target, digest] {
    return read_upload(state_->database, target, digest.to_string(), state_->mark);
  });
}

void Journal::put_upload(const std::string& target, const oci::Digest& digest,
                         const oci::UploadSession& session,
                         const std::vector<oci::HashState>& states) {
  assert(!session.secret);
  const std::string blob = digest.to_string();
  state_->add("INSERT OR REPLACE INTO upload VALUES(?,?,?,?,?,?,?)",
              {target, blob, session.location, std::to_string(session.chunk_min),
               std::to_string(session.chunk_max), std::to_string(state_->mark.id()),
               seconds_text(std::chrono::system_clock::now())});
  for (const oci::HashState& state : states) {
    state_->add("INSERT OR REPLACE INTO upload_state VALUES(?,?,?,?)",
                {target, blob, std::to_string(state.length), print_hash_state(state)});
  }
}

void Journal::forget_upload(const std::string& target, const oci::Digest& digest) {
  state_->add("DELETE FROM upload WHERE target=? AND digest=?", {target, digest.to_string()});
  state_->add("DELETE FROM upload_state WHERE target=? AND digest=?", {target, digest.to_string()});
}

Task<Result<std::map<std::string, Journal::FeatureRow>>> Journal::features(std::string store) {
  co_await flush();
  co_return co_await state_->thread.run(
      [this, store]() -> Result<std::map<std::string, FeatureRow>> {
        TS_TRY(auto query, Statement::prepare(state_->database,
                                              "SELECT feature, works, seen FROM feature "
                                              "WHERE store=?"));
        query.bind(1, store);
        std::map<std::string, FeatureRow> out;
        while (true) {
          TS_TRY(const bool found, query.step());
          if (!found) return out;
          const std::chrono::seconds seen(parse_u64(query.text(2)).value_or(0));
          out[query.text(0)] = {.works = query.text(1) == "1",
                                .seen = std::chrono::system_clock::time_point(seen)};
        }
      });
}

void Journal::put_feature(const std::string& store, const std::string& feature, FeatureRow row) {
  state_->add("INSERT OR REPLACE INTO feature VALUES(?,?,?,?)",
              {store, feature, row.works ? "1" : "0", seconds_text(row.seen)});
}

Task<Result<Journal::SentRow>> Journal::sent(std::string target) {
  co_await flush();
  co_return co_await state_->thread.run([this, target]() -> Result<SentRow> {
    TS_TRY(auto query,
           Statement::prepare(state_->database,
                              "SELECT COALESCE(SUM(bytes), 0), COALESCE(SUM(took), 0), COUNT(*) "
                              "FROM (SELECT bytes, took FROM sent WHERE target=? "
                              "ORDER BY began DESC LIMIT 5)"));
    query.bind(1, target);
    TS_TRY(const bool found, query.step());
    if (!found) return SentRow{};
    return SentRow{.bytes = parse_u64(query.text(0)).value_or(0),
                   .took = std::chrono::milliseconds(parse_u64(query.text(1)).value_or(0)),
                   .passes = parse_u64(query.text(2)).value_or(0)};
  });
}

void Journal::put_sent(const std::string& target, std::chrono::system_clock::time_point began,
                       std::uint64_t bytes, std::chrono::milliseconds took) {
  state_->add("INSERT OR REPLACE INTO sent VALUES(?,?,?,?)",
              {target, seconds_text(began), std::to_string(bytes), std::to_string(took.count())});
  state_->add(
      "DELETE FROM sent WHERE target=? AND began NOT IN "
      "(SELECT began FROM sent WHERE target=? ORDER BY began DESC LIMIT 20)",
      {target, target});
}

Task<void> Journal::flush() {
  if (state_->pending.empty() || !state_->trouble.empty()) co_return;
  auto batch = std::make_shared<std::vector<Write>>(std::exchange(state_->pending, {}));
  const auto written = co_await state_->run([this, batch] { return state_->write_all(*batch); });
  if (written) co_return;
  state_->trouble = written.error().message;
  state_->pending.clear();
  log_warning("{}; the pass goes on, what it learns is not kept", state_->trouble);
}

bool Journal::busy() const { return state_->under_way != 0; }

const std::string& Journal::trouble() const { return state_->trouble; }

}  // namespace transship::storage

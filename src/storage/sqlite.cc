#include "storage/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/fault_point.h"

namespace transship::storage {

Result<Database> Database::open(const std::filesystem::path& file) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int rc = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  Database database(handle);
  if (rc != SQLITE_OK) return std::unexpected(database.error("open " + file.string()));
  sqlite3_busy_timeout(handle, 5000);
  return database;
}

Database::Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<void> Database::run(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return std::unexpected(error("journal"));
  }
  return {};
}

Result<void> Database::transaction(const std::function<Result<void>()>& writes) {
  TS_TRY(run("BEGIN IMMEDIATE"));
  Result<void> done = writes();
  fault_point<"journal-commit.before">();
  if (done) done = run("COMMIT");
  if (done) {
    fault_point<"journal-commit.after">();
  } else if (sqlite3_get_autocommit(handle_) == 0) {
    // Else the lock is held on, and other processes wait for it. Its own failure tells nothing new.
    (void)run("ROLLBACK");
  }
  return done;
}

Error Database::error(std::string_view action) const {
  const int code = handle_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle_);
  const Errc errc = code == SQLITE_FULL                               ? Errc::kNoSpace
                    : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? Errc::kMalformed
                                                                      : Errc::kIo;
  return {.code = errc,
          .message = std::string(action) + ": " +
                     (handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_))};
}

Result<Statement> Statement::prepare(Database& database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database.handle(), sql, -1, &statement, nullptr) != SQLITE_OK) {
    return std::unexpected(database.error("journal"));
  }
  return Statement(database, statement);
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_, index, number);
  return *this;
}

Result<bool> Statement::step() {
  const int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  return std::unexpected(database_->error("journal"));
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::string Statement::text(int column) const {
  const auto* bytes = sqlite3_column_text(statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace transship::storage

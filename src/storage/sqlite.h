#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace transship::storage {

/// One connection, used by one thread at a time.
class Database {
 public:
  static Result<Database> open(const std::filesystem::path& file);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  Result<void> run(const char* sql);
  /// All that `writes` does, or nothing of it. Every write of the journal goes through here: the
  /// fault points of the crash tests stand before and after the commit.
  Result<void> transaction(const std::function<Result<void>()>& writes);
  sqlite3* handle() const { return handle_; }
  Error error(std::string_view action) const;

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_ = nullptr;
};

/// A prepared statement. Parameters and columns count from 1 and 0, as SQLite has them.
class Statement {
 public:
  static Result<Statement> prepare(Database& database, const char* sql);
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t number);
  /// True: a row is there.
  Result<bool> step();
  void reset();
  std::string text(int column) const;

 private:
  Statement(Database& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement) {}
  Database* database_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace transship::storage

#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace transship::config {

/// Problems of one file, collected: "jobs.toml:12:3: job.tags.lates: unknown key (did you mean
/// latest?)".
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  void add(int line, int column, std::string_view key, std::string_view what);
  bool empty() const { return lines_.empty(); }
  Error error() const;

  /// Every key that was asked for, whether it is in the file or not.
  const std::set<std::string>& known() const { return known_; }
  void note_known(std::string key) { known_.insert(std::move(key)); }

 private:
  std::string file_;
  std::vector<std::string> lines_;
  std::set<std::string> known_;
};

/// One TOML table as it is read: each key is asked for by name and type, and whatever was not asked
/// for is an unknown key. toml++ stays behind it.
class TomlTable {
 public:
  struct Node;

  /// The document. Syntax errors go to `problems`, and the table is then empty.
  static TomlTable parse(std::string_view text, Problems& problems);
  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) noexcept;
  TomlTable(const TomlTable&) = delete;
  TomlTable& operator=(const TomlTable&) = delete;
  ~TomlTable();

  std::optional<std::string> string(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<bool> boolean(std::string_view key);
  /// A string of a list of strings.
  std::vector<std::string> strings(std::string_view key);
  /// One of `allowed`.
  std::optional<std::string> choice(std::string_view key, const std::vector<std::string>& allowed);
  std::optional<TomlTable> table(std::string_view key);
  /// [[key]]
  std::vector<TomlTable> tables(std::string_view key);
  /// The keys of a table whose keys are names ([registry."host"]), with their tables. Environment
  /// variables are filled in there too.
  std::vector<std::pair<std::string, TomlTable>> named_tables();
  bool is_string(std::string_view key) const;
  bool has(std::string_view key) const;

  /// Complains of every key that was never asked for.
  void finish();
  /// A problem with the value of `key`, or of the table itself when it is empty.
  void complain(std::string_view key, std::string_view what) const;
  int line() const;

 private:
  TomlTable(std::shared_ptr<Node> node, std::string path, Problems& problems);
  std::string path_of(std::string_view key) const;
  std::optional<std::string> expand(std::string_view key, const std::string& value) const;

  std::shared_ptr<Node> node_;
  std::string path_;
  Problems* problems_;
  std::vector<std::string> known_;
};

}  // namespace transship::config

#include "config/toml_table.h"

#include <fmt/format.h>

#include <stdexcept>

// The parser asserts on some malformed keys: here that is one more thing wrong with the file.
#define TOML_EXCEPTIONS 1
#define TOML_ASSERT(expr) \
  ((expr) ? void() : throw std::invalid_argument("a key or a value is malformed"))
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace transship::config {

struct TomlTable::Node {
  std::shared_ptr<toml::table> document;  ///< Keeps what `table` points into.
  const toml::table* table = nullptr;
};

namespace {

// Levenshtein distance, for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({row[j + 1] + 1, row[j] + 1, change}));
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view key, const std::vector<std::string>& known) {
  const auto best = std::ranges::min_element(
      known, {}, [&](const std::string& candidate) { return distance(key, candidate); });
  if (best == known.end()) return {};
  return distance(key, *best) <= std::max<std::size_t>(2, key.size() / 2) ? *best : std::string();
}

std::string_view type_name(toml::node_type type) {
  switch (type) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

}  // namespace

void Problems::add(int line, int column, std::string_view key, std::string_view what) {
  lines_.push_back(
      fmt::format("{}:{}:{}: {}{}{}", file_, line, column, key, key.empty() ? "" : ": ", what));
}

Error Problems::error() const {
  std::string text;
  for (const auto& line : lines_) text += (text.empty() ? "" : "\n") + line;
  return {.code = Errc::kInvalidArgument, .message = text};
}

TomlTable::TomlTable(std::shared_ptr<Node> node, std::string path, Problems& problems)
    : node_(std::move(node)), path_(std::move(path)), problems_(&problems) {}
TomlTable::TomlTable(TomlTable&&) noexcept = default;
TomlTable& TomlTable::operator=(TomlTable&&) noexcept = default;
TomlTable::~TomlTable() = default;

namespace {

// The line at which the parser's own assumption fails: it tells no place for that.
int malformed_line(std::string_view text) {
  int line = 1;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos;
       end = text.find('\n', end + 1), ++line) {
    try {
      (void)toml::parse(text.substr(0, end));
    } catch (const toml::parse_error&) {
      continue;  // Cut in the middle of something.
    } catch (const std::invalid_argument&) {
      return line;
    }
  }
  return line;
}

}  // namespace

TomlTable TomlTable::parse(std::string_view text, Problems& problems) {
  auto node = std::make_shared<Node>();
  node->document = std::make_shared<toml::table>();
  node->table = node->document.get();
  try {
    *node->document = toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    problems.add(static_cast<int>(at.line), static_cast<int>(at.column), "", error.description());
  } catch (const std::invalid_argument& error) {
    problems.add(malformed_line(text), 1, "", error.what());
  }
  return {std::move(node), "", problems};
}

std::string TomlTable::path_of(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void TomlTable::complain(std::string_view key, std::string_view what) const {
  const toml::node* at = key.empty() ? nullptr : node_->table->get(key);
  const auto where = (at != nullptr ? at->source() : node_->table->source()).begin;
  problems_->add(static_cast<int>(where.line), static_cast<int>(where.column), path_of(key), what);
}

int TomlTable::line() const { return static_cast<int>(node_->table->source().begin.line); }

std::optional<std::string> TomlTable::expand(std::string_view key, const std::string& value) const {
  std::string out;
  std::size_t at = 0;
  while (true) {
    const auto open = value.find("${", at);
    out += value.substr(at, open - at);
    if (open == std::string::npos) return out;
    const auto close = value.find('}', open);
    if (close == std::string::npos) {
      complain(key, "\"${\" without \"}\"");
      return std::nullopt;
    }
    const std::string name = value.substr(open + 2, close - open - 2);
    // Nothing here ever writes the environment.
    const char* found = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (found == nullptr) {
      complain(key, "the environment variable " + name + " is not set");
      return std::nullopt;
    }
    out += found;
    at = close + 1;
  }
}

bool TomlTable::is_string(std::string_view key) const {
  const toml::node* node = node_->table->get(key);
  return node != nullptr && node->is_string();
}

bool TomlTable::has(std::string_view key) const { return node_->table->get(key) != nullptr; }

std::optional<std::string> TomlTable::string(std::string_view key) {
  known_.emplace_back(key);
  const toml::node* node = node_->table->get(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<std::string>();
  if (!value) {
    complain(key, fmt::format("a string is needed, not {}", type_name(node->type())));
    return std::nullopt;
  }
  return expand(key, *value);
}

std::optional<std::int64_t> TomlTable::integer(std::string_view key, std::int64_t least,
                                               std::int64_t most) {
  known_.emplace_back(key);
  const toml::node* node = node_->table->get(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<std::int64_t>();
  if (!value) {
    complain(key, fmt::format("a number is needed, not {}", type_name(node->type())));
  } else if (*value < least || *value > most) {
    complain(key, fmt::format("{} is not between {} and {}", *value, least, most));
  } else {
    return value;
  }
  return std::nullopt;
}

std::optional<bool> TomlTable::boolean(std::string_view key) {
  known_.emplace_back(key);
  const toml::node* node = node_->table->get(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<bool>();
  if (!value) complain(key, fmt::format("true or false, not {}", type_name(node->type())));
  return value;
}

std::vector<std::string> TomlTable::strings(std::string_view key) {
  known_.emplace_back(key);
  const toml::node* node = node_->table->get(key);
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    complain(key, fmt::format("a list of strings is needed, not {}", type_name(node->type())));
    return {};
  }
  std::vector<std::string> out;
  for (const toml::node& element : *array) {
    const auto value = element.value_exact<std::string>();
    if (!value) {
      complain(key,
               fmt::format("a list of strings is needed; it has {}", type_name(element.type())));
      continue;
    }
    if (auto expanded = expand(key, *value)) out.push_back(std::move(*expanded));
  }
  return out;
}

std::optional<std::string> TomlTable::choice(std::string_view key,
                                             const std::vector<std::string>& allowed) {
  auto value = string(key);
  if (!value || std::ranges::find(allowed, *value) != allowed.end()) return value;
  std::string names;
  for (const auto& name : allowed) names += (names.empty() ? "" : ", ") + name;
  complain(key, fmt::format("'{}' is not one of {}", *value, names));
  return std::nullopt;
}

std::optional<TomlTable> TomlTable::table(std::string_view key) {
  known_.emplace_back(key);
  const toml::node* node = node_->table->get(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_table()) {
    complain(key, fmt::format("a table is needed, not {}", type_name(node->type())));
    return std::nullopt;
  }
  auto inner = std::make_shared<Node>(Node{node_->document, node->as_table()});
  return TomlTable(std::move(inner), path_of(key), *problems_);
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  known_.emplace_back(key);
  const toml::node* node = node_->table->get(key);
  if (node == nullptr) return {};
  std::vector<TomlTable> out;
  const toml::array* array = node->as_array();
  if (array == nullptr || !array->is_homogeneous(toml::node_type::table)) {
    complain(key, fmt::format("write [[{}]]", path_of(key)));
    return out;
  }
  for (const toml::node& element : *array) {
    auto inner = std::make_shared<Node>(Node{node_->document, element.as_table()});
    out.push_back(TomlTable(std::move(inner), path_of(key), *problems_));
  }
  return out;
}

std::vector<std::pair<std::string, TomlTable>> TomlTable::named_tables() {
  std::vector<std::pair<std::string, TomlTable>> out;
  for (const auto& [key, node] : *node_->table) {
    const std::string name(key.str());
    if (auto inner = table(name)) {
      inner->path_ = fmt::format("{}.\"{}\"", path_, name);
      if (auto expanded = expand(name, name)) {
        out.emplace_back(std::move(*expanded), std::move(*inner));
      }
    }
  }
  return out;
}

void TomlTable::finish() {
  for (const auto& [key, node] : *node_->table) {
    const std::string name(key.str());
    if (std::ranges::find(known_, name) != known_.end()) continue;
    const std::string guess = nearest(name, known_);
    problems_->add(static_cast<int>(key.source().begin.line),
                   static_cast<int>(key.source().begin.column), path_of(name),
                   guess.empty() ? "unknown key" : "unknown key (did you mean " + guess + "?)");
  }
}

}  // namespace transship::config

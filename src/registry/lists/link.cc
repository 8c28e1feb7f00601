#include "registry/lists/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/text.h"

namespace transship::registry {

namespace {

constexpr std::size_t kMaxHeader = 16U << 10U;

// FNV-1a: must be the same in every run, as cursors may be kept.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

bool is_next(std::string_view parameter) {
  const auto equals = parameter.find('=');
  if (equals == std::string_view::npos || !iequals(trim(parameter.substr(0, equals)), "rel")) {
    return false;
  }
  std::string_view value = trim(parameter.substr(equals + 1));
  if (value.starts_with('"')) value.remove_prefix(1);
  if (value.ends_with('"')) value.remove_suffix(1);
  for (const std::string_view relation : split(value, ' ')) {
    if (iequals(relation, "next")) return true;
  }
  return false;
}

// Where the link value that starts `text` ends: a comma outside of <> and quotes. Without angle
// brackets a comma may be part of the URL, so there only one before a "<" counts.
std::size_t value_end(std::string_view text) {
  bool quoted = false;
  bool bracketed = false;
  const bool bare = !trim(text).starts_with('<');
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && !bracketed) quoted = !quoted;
    if (c == '<' && !quoted) bracketed = true;
    if (c == '>') bracketed = false;
    if (c != ',' || quoted || bracketed) continue;
    if (!bare || trim(text.substr(i + 1)).starts_with('<')) return i;
  }
  return text.size();
}

std::optional<std::string> target_if_next(std::string_view value) {
  value = trim(value);
  std::string_view target;
  std::string_view parameters;
  if (value.starts_with('<')) {
    const auto close = value.find('>');
    if (close == std::string_view::npos) return std::nullopt;
    target = value.substr(1, close - 1);
    parameters = value.substr(close + 1);
  } else {
    const auto semicolon = value.find(';');
    if (semicolon == std::string_view::npos) return std::nullopt;
    target = value.substr(0, semicolon);
    parameters = value.substr(semicolon);
  }
  for (const std::string_view parameter : split(parameters, ';')) {
    if (is_next(parameter) && !trim(target).empty()) return std::string(trim(target));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> next_link(const std::vector<std::string_view>& headers) {
  for (std::string_view header : headers) {
    header = header.substr(0, kMaxHeader);
    while (!header.empty()) {
      const std::size_t end = value_end(header);
      if (auto target = target_if_next(header.substr(0, end))) return target;
      header.remove_prefix(std::min(end + 1, header.size()));
    }
  }
  return std::nullopt;
}

std::string path_and_query(std::string_view reference) {
  const auto scheme = reference.find("://");
  if (scheme != std::string_view::npos && scheme < reference.find('/')) {
    const auto path = reference.find_first_of("/?", scheme + 3);
    return path == std::string_view::npos ? "/" : path_and_query(reference.substr(path));
  }
  if (reference.starts_with("//")) {
    const auto path = reference.find_first_of("/?", 2);
    return path == std::string_view::npos ? "/" : path_and_query(reference.substr(path));
  }
  return std::string(reference.substr(0, reference.find('#')));
}

std::string linked_target(std::string_view page, std::string_view link) {
  std::string target = path_and_query(link);
  if (target.starts_with('/')) return target;
  const std::string path(page.substr(0, page.find('?')));
  if (target.starts_with('?')) return path + target;
  return path.substr(0, path.rfind('/') + 1) + target;
}

PageCursor PageCursor::first(std::string target) {
  PageCursor cursor;
  cursor.first_hash_ = cursor.saved_hash_ = hash_of(target);
  cursor.target = std::move(target);
  return cursor;
}

std::optional<PageCursor> PageCursor::parse(std::string_view text) {
  const auto parts = split(text, ' ');
  if (parts.size() != 6) return std::nullopt;
  const auto page = parse_u64(parts[0]);
  const auto flags = parse_u64(parts[1]);
  const auto first = parse_u64(parts[2]);
  const auto saved = parse_u64(parts[3]);
  const auto listed = parse_u64(parts[4]);
  if (!page || !flags || !first || !saved || !listed || *page == 0 || parts[5].empty()) {
    return std::nullopt;
  }
  PageCursor cursor;
  cursor.target = std::string(parts[5]);
  cursor.page = *page;
  cursor.listed = *listed;
  cursor.synthesised = (*flags & 1U) != 0;
  cursor.restarted = (*flags & 2U) != 0;
  cursor.first_hash_ = *first;
  cursor.saved_hash_ = *saved;
  return cursor;
}

std::string PageCursor::print() const {
  const unsigned flags = (synthesised ? 1U : 0U) | (restarted ? 2U : 0U);
  return fmt::format("{} {} {} {} {} {}", page, flags, first_hash_, saved_hash_, listed, target);
}

std::optional<PageCursor> PageCursor::next(std::string next_target) const {
  // A space would end the URL in the request line; percent-encode it rather than fail.
  for (auto at = next_target.find(' '); at != std::string::npos; at = next_target.find(' ', at)) {
    next_target.replace(at, 1, "%20");
  }
  const std::uint64_t hash = hash_of(next_target);
  if (hash == first_hash_ || hash == saved_hash_ || next_target == target) return std::nullopt;
  PageCursor cursor = *this;
  cursor.target = std::move(next_target);
  cursor.page = page + 1;
  cursor.synthesised = false;
  if (std::has_single_bit(cursor.page)) cursor.saved_hash_ = hash;
  return cursor;
}

}  // namespace transship::registry

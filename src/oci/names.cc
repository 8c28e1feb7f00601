#include "oci/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace transship::oci {

namespace {

constexpr std::size_t kMaxRepositoryBytes = 255;
constexpr std::size_t kMaxTagBytes = 128;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) { return is_lower_alnum(c) || is_upper(c) || c == '_'; }

// Between two runs of letters and digits: ".", "_", "__", or any number of "-".
bool is_separator(std::string_view text) {
  return text == "." || text == "_" || text == "__" ||
         std::ranges::all_of(text, [](char c) { return c == '-'; });
}

bool is_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  while (true) {
    const auto run_end = std::ranges::find_if_not(text, is_lower_alnum);
    text.remove_prefix(static_cast<std::size_t>(run_end - text.begin()));
    if (text.empty()) return true;
    const auto separator_end = std::ranges::find_if(text, is_lower_alnum);
    const auto length = static_cast<std::size_t>(separator_end - text.begin());
    if (!is_separator(text.substr(0, length))) return false;
    text.remove_prefix(length);
  }
}

std::unexpected<Error> malformed(std::string_view what, std::string_view text,
                                 std::string_view why) {
  return fail(Errc::kMalformed, fmt::format("{} \"{}\": {}", what, printable(text, 160), why));
}

}  // namespace

Result<RepositoryName> RepositoryName::parse(std::string_view text) {
  constexpr std::string_view kWhat = "repository name";
  if (text.empty()) return malformed(kWhat, text, "empty");
  if (text.size() > kMaxRepositoryBytes) {
    return malformed(kWhat, text, fmt::format("longer than {} bytes", kMaxRepositoryBytes));
  }
  if (std::ranges::any_of(text, is_upper)) {
    return malformed(kWhat, text, "upper case is not allowed in repository names");
  }
  for (const std::string_view component : split(text, '/')) {
    if (component.empty()) return malformed(kWhat, text, "empty part between \"/\"");
    if (!is_component(component)) {
      return malformed(kWhat, text,
                       fmt::format("part \"{}\": expected lower-case letters and digits, joined by "
                                   "\".\", \"_\", \"__\" or \"-\"",
                                   printable(component, 80)));
    }
  }
  RepositoryName name;
  name.text_ = text;
  return name;
}

Result<Tag> Tag::parse(std::string_view text) {
  if (text.empty()) return malformed("tag", text, "empty");
  if (text.size() > kMaxTagBytes) {
    return malformed("tag", text, fmt::format("longer than {} bytes", kMaxTagBytes));
  }
  const auto allowed = [](char c) { return is_word(c) || c == '.' || c == '-'; };
  if (!is_word(text.front()) || !std::ranges::all_of(text, allowed)) {
    return malformed(
        "tag", text,
        "expected letters, digits, \"_\", \".\" and \"-\", not beginning with \".\" or "
        "\"-\"");
  }
  Tag tag;
  tag.text_ = text;
  return tag;
}

}  // namespace transship::oci

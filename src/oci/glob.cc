#include "oci/glob.h"

#include <algorithm>
#include <ranges>
#include <vector>

namespace transship::oci {

namespace {

struct Token {
  enum class Kind : std::uint8_t { kLetter, kAny, kStar, kDoubleStar } kind;
  char letter = 0;
};

std::vector<Token> tokens_of(std::string_view pattern) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '?') {
      tokens.push_back({Token::Kind::kAny});
    } else if (pattern[i] != '*') {
      tokens.push_back({Token::Kind::kLetter, pattern[i]});
    } else if (i + 1 < pattern.size() && pattern[i + 1] == '*') {
      tokens.push_back({Token::Kind::kDoubleStar});
      ++i;
    } else {
      tokens.push_back({Token::Kind::kStar});
    }
  }
  return tokens;
}

// Positions reachable behind `token` from the positions `at` (a bit per prefix of the text).
std::vector<bool> step(const Token& token, const std::vector<bool>& at, std::string_view text) {
  std::vector<bool> next(at.size(), false);
  for (std::size_t i = 0; i < at.size(); ++i) {
    const bool more = i < text.size();
    switch (token.kind) {
      case Token::Kind::kLetter:
        if (at[i] && more && text[i] == token.letter) next[i + 1] = true;
        break;
      case Token::Kind::kAny:
        if (at[i] && more && text[i] != '/') next[i + 1] = true;
        break;
      case Token::Kind::kStar:
        if (at[i]) next[i] = true;
        if (next[i] && more && text[i] != '/') next[i + 1] = true;
        break;
      case Token::Kind::kDoubleStar:
        if (at[i]) next[i] = true;
        if (next[i] && more) next[i + 1] = true;
        break;
    }
  }
  return next;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::vector<bool> at(text.size() + 1, false);
  at[0] = true;
  for (const Token& token : tokens_of(pattern)) at = step(token, at, text);
  return at[text.size()];
}

bool glob_is_hopeless_for_repositories(std::string_view pattern) {
  const auto possible = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == '/' || c == '*' || c == '?';
  };
  // A component begins and ends with a letter or a digit: "team/.*" is somebody's regular
  // expression.
  const auto separator = [](char c) { return c == '.' || c == '_' || c == '-'; };
  const auto component = [&](auto part) {
    const std::string_view text(part);
    return !text.empty() && !separator(text.front()) && !separator(text.back());
  };
  return pattern.empty() || !std::ranges::all_of(pattern, possible) ||
         !std::ranges::all_of(pattern | std::views::split('/'), component);
}

bool glob_is_hopeless_for_tags(std::string_view pattern) {
  const auto possible = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '*' || c == '?';
  };
  return pattern.empty() || !std::ranges::all_of(pattern, possible) || pattern.starts_with('.') ||
         pattern.starts_with('-');
}

}  // namespace transship::oci

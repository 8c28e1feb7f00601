#include "registry/auth/challenge.h"

#include <fmt/format.h>

#include <cctype>

#include "base/text.h"

namespace transship::registry {

namespace {

// Headers beyond these are an attack or a defect; both end here.
constexpr std::size_t kMaxHeader = 16U << 10U;
constexpr std::size_t kMaxChallenges = 16;
constexpr std::size_t kMaxParameters = 32;

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void advance() { ++at_; }
  void skip_spaces() {
    while (!at_end() && is_space(peek())) advance();
  }
  void skip_separators() {
    while (!at_end() && (is_space(peek()) || peek() == ',')) advance();
  }

  std::string_view token() {
    const std::size_t start = at_;
    while (!at_end() && is_token_char(peek())) advance();
    return text_.substr(start, at_ - start);
  }

  // RFC 9110, 11.2: fills the space up to the next comma, "=" only at its end.
  std::string_view token68() {
    std::size_t end = at_;
    while (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 ||
                                  std::string_view("-._~+/").contains(text_[end]))) {
      ++end;
    }
    while (end < text_.size() && text_[end] == '=') ++end;
    std::size_t after = end;
    while (after < text_.size() && is_space(text_[after])) ++after;
    if (end == at_ || (after < text_.size() && text_[after] != ',')) return {};
    const std::string_view found = text_.substr(at_, end - at_);
    at_ = end;
    return found;
  }

  std::string value() {
    if (peek() == '"') return quoted();
    const std::size_t start = at_;
    while (!at_end() && peek() != ',' && !is_space(peek())) advance();
    return std::string(text_.substr(start, at_ - start));
  }

 private:
  std::string quoted() {
    std::string out;
    advance();
    while (!at_end() && peek() != '"') {
      if (peek() == '\\' && at_ + 1 < text_.size()) advance();
      out += peek();
      advance();
    }
    advance();
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view Challenge::find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return {};
}

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> out;
  Scanner scan(header.substr(0, kMaxHeader));
  for (scan.skip_separators(); !scan.at_end(); scan.skip_separators()) {
    const std::string_view name = scan.token();
    if (name.empty()) {
      scan.advance();
      continue;
    }
    scan.skip_spaces();
    if (scan.peek() == '=' && !out.empty()) {
      scan.advance();
      scan.skip_spaces();
      std::string value = scan.value();
      if (out.back().parameters.size() < kMaxParameters) {
        out.back().parameters.emplace_back(to_lower(name), std::move(value));
      }
      continue;
    }
    if (out.size() == kMaxChallenges) break;
    out.push_back(
        {.scheme = to_lower(name), .token68 = std::string(scan.token68()), .parameters = {}});
  }
  return out;
}

Result<ChosenChallenge> choose_challenge(const std::vector<std::string_view>& headers) {
  std::optional<ChosenChallenge> bearer;
  bool basic = false;
  bool bearer_without_realm = false;
  for (const std::string_view header : headers) {
    for (const Challenge& challenge : parse_challenges(header)) {
      basic = basic || challenge.scheme == "basic";
      if (challenge.scheme != "bearer") continue;
      ChosenChallenge found{.kind = ChosenChallenge::Kind::kBearer,
                            .realm = std::string(challenge.find("realm")),
                            .service = std::string(challenge.find("service")),
                            .scope = std::string(challenge.find("scope"))};
      if (found.realm.empty()) {
        bearer_without_realm = true;
      } else if (bearer && !bearer->same_server(found)) {
        return fail(Errc::kUnauthorized,
                    fmt::format("HTTP 401 with two Bearer challenges that name different token "
                                "servers, {} and {}",
                                printable(redact(bearer->realm)), printable(redact(found.realm))));
      } else if (!bearer) {
        bearer = std::move(found);
      }
    }
  }
  if (bearer) return *bearer;
  if (basic) return ChosenChallenge{};
  if (bearer_without_realm) {
    return fail(Errc::kUnauthorized, "HTTP 401 with a Bearer challenge that names no realm");
  }
  if (headers.empty()) {
    return std::unexpected(
        Error{.code = Errc::kUnauthorized,
              .message = "HTTP 401 without a WWW-Authenticate challenge"}
            .with_hint("no credentials can be sent without one: is this a registry, and does a "
                       "proxy before it keep that header?"));
  }
  return std::unexpected(
      Error{.code = Errc::kUnauthorized,
            .message = fmt::format("HTTP 401 with no challenge that can be answered: {}",
                                   printable(redact(headers.front())))}
          .with_hint("Basic and Bearer are supported"));
}

}  // namespace transship::registry

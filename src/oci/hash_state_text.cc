#include "oci/hash_state_text.h"

#include <fmt/format.h>

#include "base/text.h"
#include "oci/sha_blocks.h"

namespace transship::oci {

namespace {

struct Form {
  std::size_t word_digits, block;
};

Form form_of(Algorithm algorithm) {
  if (algorithm == Algorithm::kSha256) return {.word_digits = 8, .block = kSha256Block};
  return {.word_digits = 16, .block = kSha512Block};
}

// Takes `digits` hex digits off the front of `text`; in lower case alone: one state has one text.
std::optional<std::uint64_t> take(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text.substr(0, digits)) {
    const int next = hex_value(c);
    if (next < 0) return std::nullopt;
    value = value << 4U | static_cast<std::uint64_t>(next);
  }
  text.remove_prefix(digits);
  return value;
}

std::optional<HashState> parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return std::nullopt;
  HashState state;
  if (text.substr(0, colon) == to_string(Algorithm::kSha512)) {
    state.algorithm = Algorithm::kSha512;
  } else if (text.substr(0, colon) != to_string(Algorithm::kSha256)) {
    return std::nullopt;
  }
  const Form form = form_of(state.algorithm);
  text.remove_prefix(colon + 1);
  for (std::uint64_t& word : state.words) {
    const auto value = take(text, form.word_digits);
    if (!value) return std::nullopt;
    word = *value;
  }
  const auto length = take(text, 16);
  if (!length || text.size() != *length % form.block * 2) return std::nullopt;
  state.length = *length;
  for (std::size_t i = 0; !text.empty(); ++i) {
    const auto byte = take(text, 2);
    if (!byte) return std::nullopt;
    state.tail.at(i) = static_cast<std::byte>(*byte);
  }
  return state;
}

}  // namespace

std::string print_hash_state(const HashState& state) {
  const Form form = form_of(state.algorithm);
  std::string out = fmt::format("{}:", to_string(state.algorithm));
  for (const std::uint64_t word : state.words) {
    out += fmt::format("{:0{}x}", word, form.word_digits);
  }
  out += fmt::format("{:016x}", state.length);
  return out + to_hex(std::span(state.tail).first(state.length % form.block));
}

Result<HashState> parse_hash_state(std::string_view text) {
  if (auto state = parse(text)) return *state;
  return fail(Errc::kMalformed, "not a hash state: " + printable(text, 100));
}

}  // namespace transship::oci

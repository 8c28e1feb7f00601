#include "oci/semver.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace transship::oci {

namespace {

std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) {
  const auto x = parse_u64(a), y = parse_u64(b);
  if (x && y) return *x <=> *y;
  if (x || y) return x ? std::strong_ordering::less : std::strong_ordering::greater;
  return a <=> b;
}

bool valid_identifier(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

bool is_wildcard(std::string_view part) { return part == "x" || part == "X" || part == "*"; }

// A version whose trailing parts may be missing or wildcards: "1", "1.x", "1.2.*", "1.2.3-rc".
struct Partial {
  Version version;
  int parts = 0;
};

std::optional<Partial> parse_partial(std::string_view text) {
  if (text.starts_with('v') || text.starts_with('V')) text.remove_prefix(1);
  text = text.substr(0, text.find('+'));
  const auto dash = text.find('-');
  const std::string_view core = text.substr(0, dash);
  Partial out;
  const std::array<std::uint64_t*, 3> fields = {&out.version.major, &out.version.minor,
                                                &out.version.patch};
  const auto parts = split(core, '.');
  if (parts.size() > 3) return std::nullopt;
  bool wild = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    wild = wild || is_wildcard(parts[i]);
    if (wild) {
      if (!is_wildcard(parts[i])) return std::nullopt;
      continue;
    }
    const auto number = parse_u64(parts[i]);
    if (!number) return std::nullopt;
    *fields[i] = *number;
    ++out.parts;
  }
  if (dash != std::string_view::npos) {
    for (const auto identifier : split(text.substr(dash + 1), '.')) {
      if (!valid_identifier(identifier)) return std::nullopt;
      out.version.prerelease.emplace_back(identifier);
    }
  }
  return out;
}

// The first version behind all that `partial` stands for.
Version next_after(const Partial& partial) {
  Version v = partial.version;
  v.prerelease.clear();
  if (partial.parts == 1) return {.major = v.major + 1, .prerelease = {}};
  if (partial.parts == 2) return {.major = v.major, .minor = v.minor + 1, .prerelease = {}};
  return {.major = v.major, .minor = v.minor, .patch = v.patch + 1, .prerelease = {}};
}

Version caret_end(const Partial& partial) {
  const Version& v = partial.version;
  if (v.major > 0 || partial.parts == 1) return {.major = v.major + 1, .prerelease = {}};
  if (v.minor > 0 || partial.parts == 2) return {.minor = v.minor + 1, .prerelease = {}};
  return {.patch = v.patch + 1, .prerelease = {}};
}

}  // namespace

std::optional<Version> Version::parse(std::string_view tag) {
  const auto partial = parse_partial(tag);
  if (!partial || partial->parts == 0 || tag.find_first_of("xX*") < tag.find('-')) {
    return std::nullopt;
  }
  return partial->version;
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (const auto c = major <=> other.major; c != 0) return c;
  if (const auto c = minor <=> other.minor; c != 0) return c;
  if (const auto c = patch <=> other.patch; c != 0) return c;
  // A release is above its own pre-releases.
  if (prerelease.empty() || other.prerelease.empty()) {
    return other.prerelease.size() <=> prerelease.size();
  }
  for (std::size_t i = 0; i < std::min(prerelease.size(), other.prerelease.size()); ++i) {
    const auto c = compare_identifiers(prerelease[i], other.prerelease[i]);
    if (c != 0) return c;
  }
  return prerelease.size() <=> other.prerelease.size();
}

Result<void> VersionRange::add_term(std::string_view term, Conjunction& out) {
  using Op = Comparator::Op;
  constexpr std::array<std::string_view, 7> kOperators = {">=", "<=", ">", "<", "=", "^", "~"};
  std::string_view op;
  for (const auto candidate : kOperators) {
    if (term.starts_with(candidate)) {
      op = candidate;
      break;
    }
  }
  const auto partial = parse_partial(trim(term.substr(op.size())));
  if (!partial) {
    return fail(Errc::kInvalidArgument, "'" + std::string(term) + "' is no version comparison");
  }
  const Version& v = partial->version;
  if (partial->parts == 0) return {};  // "*": any version.
  if (op == ">=") out.push_back({Op::kGreaterEqual, v});
  if (op == ">") {
    out.push_back(partial->parts < 3 ? Comparator{Op::kGreaterEqual, next_after(*partial)}
                                     : Comparator{Op::kGreater, v});
  }
  if (op == "<") out.push_back({Op::kLess, v});
  if (op == "<=") {
    out.push_back(partial->parts < 3 ? Comparator{Op::kLess, next_after(*partial)}
                                     : Comparator{Op::kLessEqual, v});
  }
  if (op == "^" || op == "~" || ((op.empty() || op == "=") && partial->parts < 3)) {
    Partial upto = *partial;
    if (op == "~" && upto.parts == 3) upto.parts = 2;
    out.push_back({Op::kGreaterEqual, v});
    out.push_back({Op::kLess, op == "^" ? caret_end(*partial) : next_after(upto)});
  } else if (op.empty() || op == "=") {
    out.push_back({Op::kEqual, v});
  }
  return {};
}

Result<VersionRange::Conjunction> VersionRange::parse_conjunction(std::string_view text) {
  if (text.empty()) return fail(Errc::kInvalidArgument, "an empty version range");
  Conjunction out;
  if (const auto dash = text.find(" - "); dash != std::string_view::npos) {
    TS_TRY(add_term(">=" + std::string(trim(text.substr(0, dash))), out));
    TS_TRY(add_term("<=" + std::string(trim(text.substr(dash + 3))), out));
    return out;
  }
  std::string joined(text);
  std::ranges::replace(joined, ',', ' ');
  std::string pending;  // An operator that stands apart from its version.
  for (const auto word : split(joined, ' ')) {
    if (word.empty()) continue;
    if (word.find_first_not_of("<>=^~") == std::string_view::npos) {
      pending = word;
      continue;
    }
    TS_TRY(add_term(pending + std::string(word), out));
    pending.clear();
  }
  if (!pending.empty()) {
    return fail(Errc::kInvalidArgument, "'" + pending + "' is followed by no version");
  }
  return out;
}

Result<VersionRange> VersionRange::parse(std::string_view text) {
  VersionRange range;
  while (true) {
    const auto bar = text.find("||");
    TS_TRY(auto conjunction, parse_conjunction(trim(text.substr(0, bar))));
    range.any_.push_back(std::move(conjunction));
    if (bar == std::string_view::npos) return range;
    text.remove_prefix(bar + 2);
  }
}

bool VersionRange::satisfies(const Conjunction& all, const Version& version) {
  using Op = Comparator::Op;
  bool prerelease_named = version.prerelease.empty();
  for (const auto& [op, bound] : all) {
    const auto c = version <=> bound;
    const bool holds = (op == Op::kLess && c < 0) || (op == Op::kLessEqual && c <= 0) ||
                       (op == Op::kGreater && c > 0) || (op == Op::kGreaterEqual && c >= 0) ||
                       (op == Op::kEqual && c == 0);
    if (!holds) return false;
    prerelease_named =
        prerelease_named || (!bound.prerelease.empty() && bound.major == version.major &&
                             bound.minor == version.minor && bound.patch == version.patch);
  }
  return prerelease_named;
}

bool VersionRange::contains(const Version& version) const {
  return std::ranges::any_of(any_, [&](const auto& all) { return satisfies(all, version); });
}

}  // namespace transship::oci

#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace transship::oci {

/// A version as semver.org 2.0.0 writes it, read leniently from a tag: a leading "v" and missing
/// minor and patch are accepted ("v1.2" is 1.2.0). Build metadata plays no part in the order.
struct Version {
  std::uint64_t major = 0, minor = 0, patch = 0;
  std::vector<std::string> prerelease;

  static std::optional<Version> parse(std::string_view tag);
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const { return (*this <=> other) == 0; }
};

/// ">=1.2 <2 || ^3.1": alternatives of conjunctions. Operators: = > >= < <= ^ ~; "1.x" and "1.2.*"
/// are prefixes; "a - b" is inclusive. A pre-release satisfies a range only when one of its
/// comparators has the same major.minor.patch with a pre-release (as npm and cargo have it).
class VersionRange {
 public:
  static Result<VersionRange> parse(std::string_view text);
  bool contains(const Version& version) const;

 private:
  struct Comparator {
    enum class Op : std::uint8_t { kLess, kLessEqual, kGreater, kGreaterEqual, kEqual } op;
    Version version;
  };
  using Conjunction = std::vector<Comparator>;
  static Result<Conjunction> parse_conjunction(std::string_view text);
  static Result<void> add_term(std::string_view term, Conjunction& out);
  static bool satisfies(const Conjunction& all, const Version& version);

  std::vector<Conjunction> any_;
};

}  // namespace transship::oci

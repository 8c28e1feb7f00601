#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/error.h"

namespace transship::oci {

/// A repository name as distribution-spec 1.1 allows it, at most 255 bytes. Safe as a path: it has
/// no "..", no empty component and no upper case.
class RepositoryName {
 public:
  RepositoryName() = default;
  /// kMalformed, with the part that is wrong.
  static Result<RepositoryName> parse(std::string_view text);
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const RepositoryName&) const = default;

 private:
  std::string text_;
};

/// A tag: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
class Tag {
 public:
  Tag() = default;
  /// kMalformed.
  static Result<Tag> parse(std::string_view text);
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Tag&) const = default;

 private:
  std::string text_;
};

}  // namespace transship::oci

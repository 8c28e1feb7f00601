#pragma once

#include <string_view>

namespace transship::oci {

/// Shell-like patterns for repositories and tags: `?` is one character, `*` any within a path
/// component, `**` any across components (and `a/**` matches `a/b`, `a/b/c`, not `a`). Everything
/// else is itself. Linear in the text for each `*`, whatever the pattern.
bool glob_matches(std::string_view pattern, std::string_view text);

/// True when no valid repository name or tag can match: an upper-case letter in a repository
/// pattern, an empty pattern. For configuration errors.
bool glob_is_hopeless_for_repositories(std::string_view pattern);
/// The same for tags: a slash, a space, a dot or a dash at the start.
bool glob_is_hopeless_for_tags(std::string_view pattern);

}  // namespace transship::oci

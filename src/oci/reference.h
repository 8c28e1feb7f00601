#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "oci/digest.h"
#include "oci/names.h"

namespace transship::oci {

/// "host[:port]/repo[:tag][@digest]" as skopeo, crane and docker users write it; a "docker://"
/// prefix is accepted. Docker Hub short names are completed ("alpine" is
/// docker.io/library/alpine). Without tag and digest the tag is "latest" where one is needed.
struct RegistryReference {
  std::string host;  ///< Lower case, with the port if one was written; "docker.io" for Docker Hub.
  RepositoryName repository;
  std::optional<Tag> tag;
  std::optional<Digest> digest;  ///< With a tag too: the digest is fetched, the tag is for targets.

  std::string to_string() const;
};

/// "oci:DIR[:NAME]": an OCI image layout on disk. The path ends at the first ":" after "oci:" (a
/// colon in a directory name is written "\:"); "@sha256:..." instead of a name picks a digest.
struct LayoutReference {
  std::filesystem::path directory;
  std::optional<std::string> name;
  std::optional<Digest> digest;

  std::string to_string() const;
};

using Reference = std::variant<RegistryReference, LayoutReference>;

/// Errors are kInvalidArgument and say which part is wrong, and what was expected.
Result<Reference> parse_reference(std::string_view text);
std::string to_string(const Reference& reference);

}  // namespace transship::oci

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.h"

// index.json of an OCI image layout, as text: no file is touched here.

namespace transship::storage {

/// An entry point of a layout.
struct LayoutEntry {
  oci::Descriptor descriptor;
  std::string name;       ///< org.opencontainers.image.ref.name: any text; empty: none.
  std::string full_name;  ///< io.containerd.image.name: a full reference; empty: none.
};

struct LayoutIndex {
  std::vector<LayoutEntry> entries;
};

/// kMalformed when it is no index; kTooLarge above `max_bytes`.
Result<LayoutIndex> parse_layout_index(std::string_view text, std::uint64_t max_bytes);

/// The entry that `name` means: by name, else by full name, else the only one of which either is a
/// reference that ends in ":<name>" (as regctl reads it). kNotFound lists the names there are;
/// kInvalidArgument when it means several manifests.
Result<LayoutEntry> find_entry(const LayoutIndex& index, std::string_view name);

/// An entry's name; where it has none, what its full name ends in behind a ":". May be any text.
std::string_view tag_of(const LayoutEntry& entry);

/// The one entry of `candidates`; kInvalidArgument lists the names when there are several,
/// kNotFound when there is none.
Result<LayoutEntry> only_entry(const std::vector<LayoutEntry>& candidates);

/// A manifest that comes into the layout.
struct LayoutEdit {
  oci::Descriptor descriptor;
  std::string name;                     ///< Empty: listed without a name, so that it is found.
  std::vector<oci::Digest> children{};  ///< Reachable through it from now on.
};

/// `text` with `edits` made; all else in it stays as it is. Nothing when it is all there already.
///
/// A name belongs to one entry: an older one loses it, and goes unless it has a full name or is
/// `needed`. Entries without any name that are children of what comes go too, unless `needed`:
/// referrers are, as only index.json leads to them.
Result<std::optional<std::string>> edit_layout_index(
    std::string_view text, const std::vector<LayoutEdit>& edits,
    const std::function<bool(const oci::Digest&)>& needed, std::uint64_t max_bytes);

/// {"imageLayoutVersion":"1.0.0"}.
extern const std::string_view kLayoutMarker;
/// kUnsupported for another version, kMalformed for what is no marker.
Result<void> check_layout_marker(std::string_view text);

}  // namespace transship::storage

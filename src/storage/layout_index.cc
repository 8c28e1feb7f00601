#include "storage/layout_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <iterator>
#include <set>

#include "base/text.h"
#include "oci/descriptor_json.h"
#include "oci/json.h"

namespace transship::storage {
namespace json = boost::json;

namespace {

constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr std::string_view kFullName = "io.containerd.image.name";
constexpr std::size_t kNamesShown = 10;

Result<json::object> parse_document(std::string_view text, std::uint64_t max_bytes) {
  return oci::json::parse_object(text, "index.json",
                                 {.max_bytes = static_cast<std::size_t>(max_bytes)});
}

std::string annotation(const oci::Descriptor& descriptor, std::string_view key) {
  const auto found = descriptor.annotations.find(std::string(key));
  return found == descriptor.annotations.end() ? "" : found->second;
}

Result<LayoutEntry> parse_entry(const json::value& value, std::size_t position) {
  TS_TRY(auto descriptor, oci::parse_descriptor(value, fmt::format("manifests[{}]", position),
                                                oci::TypeRule::kOptional));
  std::string name = annotation(descriptor, kRefName);
  std::string full_name = annotation(descriptor, kFullName);
  return LayoutEntry{std::move(descriptor), std::move(name), std::move(full_name)};
}

std::string shown_names(const std::vector<LayoutEntry>& entries) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& entry : entries) {
    if (shown == kNamesShown) return out + ", ...";
    const std::string& name = entry.name.empty() ? entry.full_name : entry.name;
    const std::string label =
        name.empty() ? "@" + entry.descriptor.digest.to_string() : printable(name, 100);
    out += (shown++ == 0 ? "" : ", ") + label;
  }
  return out.empty() ? "none" : out;
}

// One manifest may stand under a name more than once.
Result<LayoutEntry> same_manifest(const std::vector<const LayoutEntry*>& found,
                                  std::string_view name) {
  for (const auto* entry : found) {
    if (entry->descriptor.digest == found.front()->descriptor.digest) continue;
    return std::unexpected(
        Error{.code = Errc::kInvalidArgument,
              .message = fmt::format("\"{}\" names several manifests: {} and {}", printable(name),
                                     found.front()->descriptor.digest.short_string(),
                                     entry->descriptor.digest.short_string())}
            .with_hint("choose one by digest: oci:DIR@sha256:..."));
  }
  return *found.front();
}

/// The `manifests` array while it is edited.
class Editor {
 public:
  Editor(json::array& entries, const std::function<bool(const oci::Digest&)>& needed)
      : entries_(entries), needed_(needed) {}

  bool changed() const { return changed_; }

  void apply(const LayoutEdit& edit) {
    if (edit.name.empty()) {
      if (!lists(edit.descriptor.digest)) append(edit);
    } else if (!take_name(edit)) {
      if (auto* bare = find_unnamed(edit.descriptor.digest)) {
        set_name(*bare, edit.name);
      } else {
        append(edit);
      }
    }
    for (const auto& child : edit.children) drop_child(child);
  }

 private:
  static std::string_view text_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                  : std::string_view{};
  }
  static std::string_view annotation_of(const json::value& entry, std::string_view key) {
    const auto* annotations = entry.get_object().if_contains("annotations");
    if (annotations == nullptr || !annotations->is_object()) return {};
    return text_at(annotations->get_object(), key);
  }
  static bool is(const json::value& entry, const oci::Digest& digest) {
    return text_at(entry.get_object(), "digest") == digest.to_string();
  }
  static bool bare(const json::value& entry) {
    return annotation_of(entry, kRefName).empty() && annotation_of(entry, kFullName).empty();
  }
  bool needed(const json::value& entry) const {
    if (!annotation_of(entry, kFullName).empty()) return true;
    const auto digest = oci::Digest::parse(text_at(entry.get_object(), "digest"));
    return digest && needed_(*digest);
  }

  bool lists(const oci::Digest& digest) const {
    return std::ranges::any_of(entries_, [&](const auto& entry) { return is(entry, digest); });
  }

  json::value* find_unnamed(const oci::Digest& digest) {
    const auto found = std::ranges::find_if(entries_, [&](const auto& entry) {
      return is(entry, digest) && annotation_of(entry, kRefName).empty();
    });
    return found == entries_.end() ? nullptr : &*found;
  }

  // Takes the name away from other manifests; true when this one has it already.
  bool take_name(const LayoutEdit& edit) {
    bool has_it = false;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      if (annotation_of(*entry, kRefName) != edit.name) {
        ++entry;
      } else if (is(*entry, edit.descriptor.digest)) {
        has_it = true;
        ++entry;
      } else {
        changed_ = true;
        remove_name(*entry);
        entry = needed(*entry) ? std::next(entry) : entries_.erase(entry);
      }
    }
    return has_it;
  }

  static void remove_name(json::value& entry) {
    auto& annotations = entry.get_object()["annotations"].get_object();
    annotations.erase(kRefName);
    if (annotations.empty()) entry.get_object().erase("annotations");
  }

  void set_name(json::value& entry, const std::string& name) {
    auto& annotations = entry.get_object()["annotations"];
    if (!annotations.is_object()) annotations.emplace_object();
    annotations.get_object()[kRefName] = name;
    changed_ = true;
  }

  void append(const LayoutEdit& edit) {
    entries_.emplace_back(oci::print_descriptor(edit.descriptor));
    if (!edit.name.empty()) set_name(entries_.back(), edit.name);
    changed_ = true;
  }

  void drop_child(const oci::Digest& child) {
    const auto found = std::ranges::find_if(
        entries_, [&](const auto& entry) { return is(entry, child) && bare(entry); });
    if (found == entries_.end() || needed(*found)) return;
    entries_.erase(found);
    changed_ = true;
  }

  json::array& entries_;
  const std::function<bool(const oci::Digest&)>& needed_;
  bool changed_ = false;
};

}  // namespace

const std::string_view kLayoutMarker = R"({"imageLayoutVersion":"1.0.0"})";

Result<void> check_layout_marker(std::string_view text) {
  TS_TRY(const auto marker, oci::json::parse_object(text, "oci-layout"));
  TS_TRY(const auto version, oci::json::get_string(marker, "imageLayoutVersion"));
  if (version == "1.0.0") return {};
  return fail(
      Errc::kUnsupported,
      fmt::format("imageLayoutVersion is \"{}\", and only 1.0.0 is known", printable(version, 40)));
}

Result<LayoutIndex> parse_layout_index(std::string_view text, std::uint64_t max_bytes) {
  TS_TRY(const auto document, parse_document(text, max_bytes));
  TS_TRY(const auto* manifests, oci::json::get_array(document, "manifests"));
  LayoutIndex out;
  for (std::size_t i = 0; i < manifests->size(); ++i) {
    TS_TRY(auto entry, parse_entry((*manifests)[i], i));
    out.entries.push_back(std::move(entry));
  }
  return out;
}

Result<LayoutEntry> find_entry(const LayoutIndex& index, std::string_view name) {
  std::vector<const LayoutEntry*> by_name, by_full_name, by_ending;
  const std::string ending = ":" + std::string(name);
  for (const auto& entry : index.entries) {
    if (entry.name == name) by_name.push_back(&entry);
    if (entry.full_name == name) by_full_name.push_back(&entry);
    if (entry.name.ends_with(ending) || entry.full_name.ends_with(ending)) {
      by_ending.push_back(&entry);
    }
  }
  for (const auto* found : {&by_name, &by_full_name, &by_ending}) {
    if (!found->empty()) return same_manifest(*found, name);
  }
  return fail(Errc::kNotFound, fmt::format("no manifest is named \"{}\"; names there: {}",
                                           printable(name), shown_names(index.entries)));
}

std::string_view tag_of(const LayoutEntry& entry) {
  if (!entry.name.empty()) return entry.name;
  const std::string_view full = entry.full_name;
  return full.substr(full.rfind(':') + 1);
}

Result<LayoutEntry> only_entry(const std::vector<LayoutEntry>& candidates) {
  std::set<oci::Digest> digests;
  for (const auto& entry : candidates) digests.insert(entry.descriptor.digest);
  if (digests.size() == 1) return candidates.front();
  if (digests.empty()) return fail(Errc::kNotFound, "the layout is empty");
  return std::unexpected(Error{.code = Errc::kInvalidArgument,
                               .message = fmt::format("the layout holds {} manifests: {}",
                                                      digests.size(), shown_names(candidates))}
                             .with_hint("choose one: oci:DIR:NAME or oci:DIR@sha256:..."));
}

Result<std::optional<std::string>> edit_layout_index(
    std::string_view text, const std::vector<LayoutEdit>& edits,
    const std::function<bool(const oci::Digest&)>& needed, std::uint64_t max_bytes) {
  // What cannot be read is not written over.
  TS_TRY(parse_layout_index(text, max_bytes));
  TS_TRY(auto document, parse_document(text, max_bytes));
  Editor editor(document["manifests"].get_array(), needed);
  for (const auto& edit : edits) editor.apply(edit);
  if (!editor.changed()) return std::nullopt;
  std::string out = json::serialize(document);
  if (out.size() > max_bytes) {
    return fail(Errc::kTooLarge, fmt::format("index.json would have {} bytes, and {} are allowed",
                                             out.size(), max_bytes));
  }
  return out;
}

}  // namespace transship::storage

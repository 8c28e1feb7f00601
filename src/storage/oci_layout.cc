#include "storage/oci_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "oci/digest.h"

namespace transship::storage {

namespace {

constexpr std::chrono::milliseconds kLockPause{20};
constexpr std::chrono::seconds kLockPatience{60};
constexpr std::size_t kMaxName = 1024;

std::unexpected<Error> bad_argument(const std::string& store, std::string message) {
  return std::unexpected(
      Error{.code = Errc::kInvalidArgument, .message = std::move(message)}.within(store));
}

}  // namespace

OciLayout::OciLayout(FileIo& files, WorkerPool& pool, std::shared_ptr<LayoutFiles> layout,
                     OciLayoutOptions options, bool writable)
    : files_(files),
      pool_(pool),
      layout_(std::move(layout)),
      options_(options),
      writable_(writable),
      turn_(files.executor()) {}

Task<Result<std::unique_ptr<OciLayout>>> OciLayout::make(FileIo& files, WorkerPool& pool,
                                                         std::filesystem::path directory,
                                                         OciLayoutOptions options, bool writable) {
  const LayoutFiles::Limits limits{.max_index_bytes = options.max_index_bytes,
                                   .manifest = options.manifest};
  TS_CO_TRY(auto layout, co_await pool.run([directory = std::move(directory), limits, writable] {
    return writable ? LayoutFiles::create(directory, limits) : LayoutFiles::open(directory, limits);
  }));
  co_return std::unique_ptr<OciLayout>(
      new OciLayout(files, pool, std::move(layout), options, writable));
}

Task<Result<std::unique_ptr<OciLayout>>> OciLayout::open(FileIo& files, WorkerPool& pool,
                                                         std::filesystem::path directory,
                                                         OciLayoutOptions options) {
  co_return co_await make(files, pool, std::move(directory), options, false);
}

Task<Result<std::unique_ptr<OciLayout>>> OciLayout::create(FileIo& files, WorkerPool& pool,
                                                           std::filesystem::path directory,
                                                           OciLayoutOptions options) {
  co_return co_await make(files, pool, std::move(directory), options, true);
}

Result<void> OciLayout::check_writable() const {
  if (writable_) return {};
  return bad_argument(layout_->name(), "the layout was opened for reading");
}

Task<Result<OciLayout::Index>> OciLayout::index() {
  TS_CO_TRY(co_await check_cancelled());
  std::optional<FileStamp> known;
  if (index_) known = index_->stamp;
  TS_CO_TRY(auto read,
            co_await pool_.run([layout = layout_, known] { return layout->read_index(known); }));
  if (read) index_ = std::make_shared<const LayoutFiles::Index>(std::move(*read));
  co_return index_;
}

Task<Result<void>> OciLayout::scan(Index index) {
  while (scanning_) TS_CO_TRY(co_await turn_.wait());
  if (scanned_ == index->stamp) co_return Result<void>{};
  scanning_ = true;
  scanned_.reset();
  auto result = co_await pool_.run(
      [layout = layout_, map = scan_, index] { return map->refresh(*layout, index->index); });
  if (result) scanned_ = index->stamp;
  scanning_ = false;
  turn_.notify_all();
  co_return result;
}

Task<Result<LayoutEntry>> OciLayout::default_entry(Index index) {
  if (auto only = only_entry(index->index.entries);
      only || only.error().code != Errc::kInvalidArgument) {
    co_return only;
  }
  // Evidence beside one artifact does not make the choice unclear.
  TS_CO_TRY(co_await scan(index));
  std::vector<LayoutEntry> roots;
  for (const auto& entry : index->index.entries) {
    if (scan_->has_subject(entry.descriptor.digest)) continue;
    if (oci::parse_digest_tag(entry.name)) continue;
    roots.push_back(entry);
  }
  co_return only_entry(roots.empty() ? index->index.entries : roots);
}

Task<Result<oci::Descriptor>> OciLayout::find(oci::ManifestName name) {
  TS_CO_TRY(const Index at, co_await index());
  const auto& entries = at->index.entries;
  if (name.digest) {
    const auto listed = std::ranges::find_if(
        entries, [&](const auto& entry) { return entry.descriptor.digest == *name.digest; });
    if (listed != entries.end()) co_return listed->descriptor;
    // Children of indexes are not listed: the file alone tells what it is.
    co_return oci::Descriptor{.media_type = "", .digest = *name.digest};
  }
  auto entry = name.name.empty() ? co_await default_entry(at) : find_entry(at->index, name.name);
  if (entry) co_return std::move(entry->descriptor);
  co_return std::unexpected(std::move(entry).error().within(layout_->name()));
}

Task<Result<oci::Manifest>> OciLayout::read(oci::ManifestName name) {
  TS_CO_TRY(const auto found, co_await find(std::move(name)));
  TS_CO_TRY(auto manifest, co_await pool_.run([layout = layout_, found] {
    return layout->read_manifest(found.digest, found.media_type);
  }));
  if (found.size == 0 || found.size == manifest.bytes.size()) co_return manifest;
  co_return fail(Errc::kSizeMismatch,
                 fmt::format("{}: manifest {} has {} bytes, index.json says {}", layout_->name(),
                             found.digest.to_string(), manifest.bytes.size(), found.size));
}

Task<Result<oci::Descriptor>> OciLayout::resolve(oci::ManifestName name) {
  ++counts_.manifest_head;
  TS_CO_TRY(const auto manifest, co_await read(std::move(name)));
  co_return manifest.descriptor();
}

Task<Result<oci::Manifest>> OciLayout::manifest(oci::ManifestName name) {
  ++counts_.manifest_get;
  co_return co_await read(std::move(name));
}

Task<Result<oci::TagPage>> OciLayout::tags(std::optional<std::string> cursor) {
  ++counts_.tag_list;
  TS_CO_TRY(const Index at, co_await index());
  std::set<std::string_view> names;
  oci::TagPage page;
  for (const auto& entry : at->index.entries) {
    const std::string_view tag = tag_of(entry);
    if (tag.empty()) continue;
    if (oci::Tag::parse(tag)) {
      names.insert(tag);
    } else if (!cursor) {
      ++page.invalid;
    }
  }
  auto next = cursor ? names.upper_bound(*cursor) : names.begin();
  for (; next != names.end() && page.tags.size() < options_.tags_per_page; ++next) {
    page.tags.emplace_back(*next);
  }
  if (next != names.end()) page.next = page.tags.back();
  co_return page;
}

Task<Result<oci::Referrers>> OciLayout::referrers(const oci::Digest& subject) {
  ++counts_.referrers;
  TS_CO_TRY(const Index at, co_await index());
  TS_CO_TRY(co_await scan(at));
  co_return oci::Referrers{oci::ReferrersBy::kApi, scan_->referrers(subject)};
}

Task<Result<oci::PutOutcome>> OciLayout::put_manifest(oci::ManifestName name,
                                                      const oci::Manifest& manifest) {
  ++counts_.manifest_put;
  TS_CO_TRY(check_writable());
  const auto digest = oci::digest_of(manifest.bytes, manifest.digest.algorithm());
  if (digest != manifest.digest || (name.digest && *name.digest != digest)) {
    co_return fail(Errc::kDigestMismatch,
                   fmt::format("{}: put manifest {}: its bytes have the digest {}", layout_->name(),
                               name.to_string(), digest.to_string()));
  }
  const bool unsafe = std::ranges::any_of(name.name, [](unsigned char c) { return c < 0x20; });
  if (unsafe || name.name.size() > kMaxName) {
    co_return bad_argument(layout_->name(), "not a name: " + printable(name.name, 80));
  }
  const auto copy = std::make_shared<const oci::Manifest>(manifest);
  TS_CO_TRY(co_await pool_.run([layout = layout_, copy] { return layout->write_manifest(*copy); }));
  LayoutEdit edit{
      .descriptor = {.media_type = copy->media_type, .digest = digest, .size = copy->bytes.size()},
      .name = name.digest ? "" : std::move(name.name)};
  // Not the annotations: a manifest's own ref.name is no name in the layout.
  if (copy->subject) edit.descriptor.artifact_type = copy->artifact_type;
  for (const auto& child : copy->manifests) edit.children.push_back(child.digest);
  TS_CO_TRY(co_await list(std::move(edit)));
  co_return oci::PutOutcome{digest, true};
}

Task<Result<void>> OciLayout::list(LayoutEdit edit) {
  if (!next_batch_) next_batch_ = std::make_shared<Batch>();
  const auto batch = next_batch_;
  batch->edits.push_back(std::move(edit));
  // One write takes all edits that came while the one before it ran.
  while (writing_ && !batch->result) TS_CO_TRY(co_await turn_.wait());
  if (batch->result) co_return *batch->result;
  writing_ = true;
  if (next_batch_ == batch) next_batch_.reset();
  auto result = co_await write(batch->edits);
  writing_ = false;
  // When only this caller was cancelled, another one that waits writes the batch.
  if (result || result.error().code != Errc::kCancelled) batch->result = result;
  turn_.notify_all();
  co_return result;
}

Task<Result<void>> OciLayout::write(const std::vector<LayoutEdit>& edits) {
  const auto give_up = std::chrono::steady_clock::now() + kLockPatience;
  std::optional<File> lock;
  while (!lock) {
    TS_CO_TRY(lock, co_await pool_.run([layout = layout_] { return layout->try_lock(); }));
    if (lock) break;
    if (std::chrono::steady_clock::now() > give_up) {
      co_return fail(Errc::kConflict, layout_->name() + ": another process holds its lock");
    }
    TS_CO_TRY(co_await sleep_for(kLockPause));
  }
  const auto copy = std::make_shared<const std::vector<LayoutEdit>>(edits);
  co_return co_await pool_.run([layout = layout_, copy] { return layout->edit_index(*copy); });
}

}  // namespace transship::storage

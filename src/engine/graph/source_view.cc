#include "engine/graph/source_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/retry.h"
#include "oci/manifest.h"

namespace transship::engine {
namespace {

std::string digest_tag_key(oci::Algorithm algorithm, std::string_view hex) {
  return fmt::format("{}-{}", oci::to_string(algorithm), hex.substr(0, 64));
}

// A manifest with the memory it is counted for.
struct HeldManifest {
  oci::Manifest manifest;
  MemoryBudget::Hold memory;
};

ManifestPtr hold(MemoryBudget& budget, oci::Manifest manifest) {
  auto held = std::make_shared<HeldManifest>();
  // Past the limit too: without its manifest nothing of an artifact can move.
  held->memory = budget.take(manifest.bytes.size());
  held->manifest = std::move(manifest);
  return {held, &held->manifest};
}

class Collector final : public BodySink {
 public:
  Collector(Executor executor, std::uint64_t limit)
      : executor_(std::move(executor)), limit_(limit) {}
  Executor executor() const override { return executor_; }
  Flow write(std::span<const std::byte> bytes) override {
    if (text.size() + bytes.size() > limit_) return Flow::kFailed;
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Flow::kMoved;
  }
  void set_waker(Waker) override {}
  Error failure() const override {
    return {.code = Errc::kSizeMismatch, .message = "more bytes than the descriptor says"};
  }
  std::string text;

 private:
  Executor executor_;
  std::uint64_t limit_;
};

Task<Result<std::string>> collect(oci::SourceRepository* source, oci::Descriptor blob) {
  Collector sink(co_await current_executor(), blob.size);
  TS_CO_TRY(co_await source->blob(blob, {.first = 0, .length = blob.size}, sink));
  if (const auto found = oci::digest_of(sink.text, blob.digest.algorithm()); found != blob.digest) {
    // Damaged on the way, or for good: asking again tells.
    co_return std::unexpected(
        Error{.code = Errc::kDigestMismatch,
              .message = fmt::format("the bytes have the digest {}", found.to_string()),
              .retryable = true});
  }
  co_return std::move(sink.text);
}

}  // namespace

Task<Result<std::string>> SourceView::small_blob(oci::Descriptor blob) {
  if (blob.data) co_return *blob.data;
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  const std::string what =
      fmt::format("read blob {} of {}", blob.digest.to_string(), id_.to_string());
  Result<std::string> text = co_await with_retries<std::string>(
      run_.context, what, [&] { return collect(&repository_, blob); });
  if (!text) co_return std::unexpected(std::move(text).error().within(what).on(Side::kSource));
  co_return text;
}

Task<Result<bool>> SourceView::has_blob(oci::Descriptor blob) {
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  const std::string what =
      fmt::format("look for blob {} in {}", blob.digest.to_string(), id_.to_string());
  Result<bool> there =
      co_await with_retries<bool>(run_.context, what, [&] { return repository_.has_blob(blob); });
  if (!there) co_return std::unexpected(std::move(there).error().within(what).on(Side::kSource));
  co_return there;
}

std::string SourceView::describe(const oci::ManifestName& name) const {
  return fmt::format("manifest {} of {}", name.to_string(), id_.to_string());
}

Task<Result<oci::Descriptor>> SourceView::resolve(oci::ManifestName name) {
  Result<oci::Descriptor> out = fail(Errc::kInternal, "");
  {
    TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
    out = co_await with_retries<oci::Descriptor>(run_.context, "resolve " + describe(name),
                                                 [&] { return repository_.resolve(name); });
  }
  if (out) co_return out;
  if (out.error().code == Errc::kUnsupported) {
    TS_CO_TRY(ManifestPtr read, co_await manifest(name));
    co_return read->descriptor();
  }
  co_return std::unexpected(
      std::move(out).error().within("resolve " + describe(name)).on(Side::kSource));
}

Task<Result<ManifestPtr>> SourceView::manifest(oci::ManifestName name) {
  if (!name.digest) co_return co_await by_tag(std::move(name));
  const oci::Digest digest = *name.digest;
  if (auto found = held_.find(digest); found != held_.end()) {
    if (ManifestPtr held = found->second.lock()) co_return held;
    held_.erase(found);
  }
  co_return co_await fetches_.get(digest, [this, digest] { return by_digest(digest); });
}

// A tag whose manifest a plan has read is asked by HEAD: the manifest need not come again.
Task<Result<ManifestPtr>> SourceView::by_tag(oci::ManifestName name) {
  std::optional<oci::Digest> seen;
  if (run_.manifest_cache != nullptr) {
    seen = co_await run_.manifest_cache->tag(id_.to_string(), name.name);
  }
  if (!seen) co_return co_await fetch(std::move(name));
  TS_CO_TRY(const oci::Descriptor now, co_await resolve(name));
  auto read = co_await manifest(oci::ManifestName::by_digest(now.digest));
  // The tag moved since, and what it named went with it.
  if (!read && read.error().code == Errc::kNotFound) co_return co_await fetch(std::move(name));
  co_return read;
}

Task<Result<ManifestPtr>> SourceView::by_digest(oci::Digest digest) {
  if (auto found = co_await cached(digest)) co_return keep(std::move(*found));
  co_return co_await fetch(oci::ManifestName::by_digest(std::move(digest)));
}

// Parsing verifies the bytes by their digest: what is damaged is asked for again.
Task<std::optional<oci::Manifest>> SourceView::cached(const oci::Digest& digest) {
  if (run_.manifest_cache == nullptr) co_return std::nullopt;
  auto stored = co_await run_.manifest_cache->find(digest);
  if (!stored) co_return std::nullopt;
  auto parsed = oci::parse_manifest(std::move(stored->bytes), stored->media_type, digest);
  if (!parsed) co_return std::nullopt;
  co_return std::move(*parsed);
}

ManifestPtr SourceView::keep(oci::Manifest manifest) {
  const oci::Digest digest = manifest.digest;
  ManifestPtr held = hold(run_.context.memory, std::move(manifest));
  if (held_.size() >= sweep_at_) {
    // Until its row goes, a manifest that nobody holds takes some memory yet.
    std::erase_if(held_, [](const auto& row) { return row.second.expired(); });
    sweep_at_ = std::max(sweep_at_, 2 * held_.size());
  }
  held_[digest] = held;
  return held;
}

Task<Result<ManifestPtr>> SourceView::fetch(oci::ManifestName name) {
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  Result<oci::Manifest> got = co_await with_retries<oci::Manifest>(
      run_.context, "read " + describe(name), [&] { return repository_.manifest(name); });
  slot.release();
  if (!got) {
    co_return std::unexpected(
        std::move(got).error().within("read " + describe(name)).on(Side::kSource));
  }
  // Stores verify what they hand out; a second look costs little, and a graph that was checked by
  // digest cannot refer to itself: the walk relies on that.
  const oci::Digest& claimed = name.digest ? *name.digest : got->digest;
  if (got->digest != claimed || oci::digest_of(got->bytes, claimed.algorithm()) != claimed) {
    Error error{.code = Errc::kDigestMismatch,
                .message = "the bytes are not what the digest says",
                .side = Side::kSource};
    co_return std::unexpected(std::move(error).within("read " + describe(name)));
  }
  if (run_.dry_run && run_.manifest_cache != nullptr) {
    co_await run_.manifest_cache->put(*got, id_.to_string(), name.name);
  }
  co_return keep(std::move(*got));
}

Task<Result<std::vector<oci::Descriptor>>> SourceView::referrers(oci::Digest subject) {
  co_return co_await lists_.get(subject, [this, subject] { return ask_referrers(subject); });
}

Task<Result<std::vector<oci::Descriptor>>> SourceView::ask_referrers(oci::Digest subject) {
  std::vector<oci::Descriptor> none;
  if (api_missing_) {
    // Without the API there is only the fallback tag, and all tags are listed once.
    TS_CO_TRY(co_await tag_list_.get(0, [this] { return list_digest_tags(); }));
    if (tags_whole_ && !digest_tags_.contains(oci::fallback_tag(subject))) co_return none;
  }
  TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
  const std::string what =
      fmt::format("referrers of {} in {}", subject.to_string(), id_.to_string());
  Result<oci::Referrers> got = co_await with_retries<oci::Referrers>(
      run_.context, "list " + what, [&] { return repository_.referrers(subject); });
  if (!got) {
    if (got.error().code == Errc::kNotFound || got.error().code == Errc::kUnsupported) {
      co_return none;
    }
    co_return std::unexpected(std::move(got).error().within("list " + what).on(Side::kSource));
  }
  if (got->by == oci::ReferrersBy::kTag) api_missing_ = true;
  // Lists are kept, some have thousands of entries, and what is told of one is in its manifest.
  for (oci::Descriptor& one : got->manifests) {
    one.annotations.clear();
    one.data.reset();
  }
  co_return std::move(got->manifests);
}

void SourceView::note_digest_tag(const std::string& tag) {
  if (auto parsed = oci::parse_digest_tag(tag)) {
    digest_tags_[digest_tag_key(parsed->algorithm, parsed->hex)].push_back(tag);
  }
}

void SourceView::set_digest_tags(const std::vector<std::string>& tags, bool whole) {
  for (const std::string& tag : tags) note_digest_tag(tag);
  tags_whole_ = whole;
  tags_known_ = true;
}

Task<Result<bool>> SourceView::list_digest_tags() {
  if (tags_known_) co_return true;
  const std::string what = "list tags of " + id_.to_string();
  std::optional<std::string> cursor;
  std::vector<std::string> found;
  bool whole = true;
  do {
    TS_CO_TRY(Slots::Held slot, co_await run_.manifest_slots.take());
    Result<oci::TagPage> page = co_await with_retries<oci::TagPage>(
        run_.context, what, [&] { return repository_.tags(cursor); });
    if (!page && (page.error().absent() || page.error().code == Errc::kUnsupported)) {
      whole = false;
      break;
    }
    if (!page) co_return std::unexpected(std::move(page).error().within(what).on(Side::kSource));
    for (std::string& tag : page->tags) {
      if (oci::parse_digest_tag(tag)) found.push_back(std::move(tag));
    }
    whole = whole && !page->cut;
    cursor = std::move(page->next);
  } while (cursor);
  if (!whole) {
    run_.warn(what +
              ": there is no whole list; of what digest tags name, signatures (.sig), attestations "
              "(.att) and SBOMs (.sbom) are asked for one by one");
  }
  set_digest_tags(found, whole);
  co_return true;
}

Task<Result<std::vector<std::string>>> SourceView::digest_tags(oci::Digest subject) {
  TS_CO_TRY(co_await tag_list_.get(0, [this] { return list_digest_tags(); }));
  std::vector<std::string> out;
  const auto found = digest_tags_.find(digest_tag_key(subject.algorithm(), subject.hex()));
  if (found != digest_tags_.end()) {
    const std::string fallback = oci::fallback_tag(subject);
    for (const std::string& tag : found->second) {
      // The one without a suffix is the referrers' fallback tag.
      if (tag != fallback) out.push_back(tag);
    }
  }
  if (!tags_whole_) TS_CO_TRY(co_await ask_digest_tags(subject, &out));
  co_return out;
}

Task<Result<void>> SourceView::ask_digest_tags(oci::Digest subject, std::vector<std::string>* out) {
  for (const char* suffix : {".sig", ".att", ".sbom"}) {
    const std::string tag = oci::fallback_tag(subject) + suffix;
    if (std::ranges::find(*out, tag) != out->end()) continue;
    const auto there = co_await resolve(oci::ManifestName::by_tag(tag));
    if (there) {
      out->push_back(tag);
      continue;
    }
    // Some answer 403 for what is not there.
    if (!there.error().absent() && there.error().code != Errc::kDenied) {
      co_return std::unexpected(there.error());
    }
  }
  co_return Result<void>{};
}

}  // namespace transship::engine

#include "engine/graph/missing_content.h"

#include <deque>
#include <unordered_set>

#include "engine/graph/content.h"
#include "engine/graph/evidence_lists.h"

namespace transship::engine {
namespace {

constexpr std::size_t kMostAsked = 1000;

class StockTaking {
 public:
  StockTaking(SourceView& source, const ReferrerChoice& referrers)
      : source_(source), referrers_(referrers) {}

  Task<std::vector<oci::Digest>> run(ManifestPtr root) {
    met_.insert(root->digest);
    Result<void> done = co_await look_below(std::move(root));
    while (done && !to_visit_.empty()) {
      const oci::Digest next = to_visit_.front();
      to_visit_.pop_front();
      done = co_await visit(next);
    }
    co_return std::move(missing_);
  }

 private:
  // True: it was not asked before, and may be.
  bool fresh(const oci::Digest& digest) {
    return met_.size() < kMostAsked && met_.insert(digest).second;
  }

  Task<Result<void>> visit(oci::Digest digest) {
    auto manifest = co_await source_.manifest(oci::ManifestName::by_digest(digest));
    if (!manifest && manifest.error().code == Errc::kNotFound) {
      missing_.push_back(digest);
      co_return Result<void>{};
    }
    TS_CO_TRY(manifest);
    co_return co_await look_below(std::move(*manifest));
  }

  Task<Result<void>> look_below(ManifestPtr manifest) {
    TS_CO_TRY(const ContentPtr content, co_await content_of(source_, manifest));
    for (const oci::Descriptor& blob : content->blobs) {
      if (blob.data || !fresh(blob.digest)) continue;
      TS_CO_TRY(const bool there, co_await source_.has_blob(blob));
      if (!there) missing_.push_back(blob.digest);
    }
    for (const oci::Descriptor& child : content->manifests) {
      if (fresh(child.digest)) to_visit_.push_back(child.digest);
    }
    if (referrers_.which == ReferrerChoice::Which::kNone) co_return Result<void>{};
    TS_CO_TRY(const auto list, co_await wanted_referrers(source_, referrers_, manifest->digest));
    for (const oci::Descriptor& one : list) {
      if (fresh(one.digest)) to_visit_.push_back(one.digest);
    }
    co_return Result<void>{};
  }

  SourceView& source_;
  const ReferrerChoice& referrers_;
  std::deque<oci::Digest> to_visit_;
  std::unordered_set<oci::Digest> met_;
  std::vector<oci::Digest> missing_;
};

}  // namespace

Task<std::vector<oci::Digest>> missing_content(SourceView& source, const ReferrerChoice& referrers,
                                               ManifestPtr root) {
  StockTaking stock(source, referrers);
  co_return co_await stock.run(std::move(root));
}

}  // namespace transship::engine

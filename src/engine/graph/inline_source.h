#pragma once

#include "oci/store.h"

namespace transship::engine {

/// A source whose one blob lies in its descriptor's `data` field: what needs no request. All else
/// is passed on to the repository it stands for.
class InlineSource final : public oci::SourceRepository {
 public:
  /// Both must outlive this. `blob.data` was verified when it was parsed.
  InlineSource(oci::SourceRepository& behind, const oci::Descriptor& blob)
      : behind_(behind), blob_(blob) {}

  oci::RepositoryId id() const override { return behind_.id(); }
  Task<Result<oci::Descriptor>> resolve(oci::ManifestName name) override {
    return behind_.resolve(std::move(name));
  }
  Task<Result<oci::Manifest>> manifest(oci::ManifestName name) override {
    return behind_.manifest(std::move(name));
  }
  Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                          BodySink& sink) override;
  Task<Result<bool>> has_blob(const oci::Descriptor& blob) override {
    return behind_.has_blob(blob);
  }
  Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override {
    return behind_.tags(std::move(cursor));
  }
  Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override {
    return behind_.referrers(subject);
  }
  const oci::RequestCounts& counts() const override { return behind_.counts(); }

 private:
  oci::SourceRepository& behind_;
  const oci::Descriptor& blob_;
};

}  // namespace transship::engine

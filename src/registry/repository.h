#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/event.h"
#include "oci/store.h"
#include "registry/host.h"
#include "registry/lists/link.h"
#include "registry/lists/tag_listing.h"
#include "registry/registry.h"

namespace transship::registry {

/// One repository of a registry as a store: one method per protocol step, a single attempt each.
/// The steps live in manifests.cc, blobs.cc, upload_start.cc, single_post.cc, uploads.cc, tags.cc,
/// tags_with_digests.cc, referrers.cc.
class Repository final : public oci::TargetRepository {
 public:
  Repository(Host& host, oci::RepositoryName name, Access access);

  oci::RepositoryId id() const override;
  const oci::RequestCounts& counts() const override { return counts_; }

  Task<Result<oci::Descriptor>> resolve(oci::ManifestName name) override;
  Task<Result<oci::Manifest>> manifest(oci::ManifestName name) override;
  Task<Result<oci::PutOutcome>> put_manifest(oci::ManifestName name,
                                             const oci::Manifest& manifest) override;

  Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                          BodySink& sink) override;
  bool may_split_reads() const override;
  Task<Result<bool>> has_blob(const oci::Descriptor& blob) override;

  Task<Result<oci::UploadStart>> start_upload(const oci::Descriptor& blob,
                                              std::optional<oci::RepositoryName> from) override;
  Task<Result<void>> upload(oci::UploadSession& session, const oci::Descriptor& blob,
                            BodySource& body) override;
  Task<Result<void>> upload_status(oci::UploadSession& session) override;
  Task<void> cancel_upload(oci::UploadSession session) override;
  oci::UploadCost upload_cost(const oci::Descriptor& blob) const override;

  Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override;
  Task<Result<oci::TagPage>> tags_with_digests(std::optional<std::string> cursor) override;
  Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override;

 private:
  // Every request of this repository starts from one of these.
  Call call(transport::Method method, std::string target,
            std::uint64_t oci::RequestCounts::* kind) const;
  Call session_call(transport::Method method, const transport::Url& url) const;
  std::string path(std::string_view rest) const;  ///< "/v2/<name>/<rest>"
  std::string action(std::string_view verb, std::string_view what) const;
  /// Of a request that writes: where the repository is missing, the hint says how it is made.
  Error refusal(const transport::Response& response, std::string_view action) const;

  // manifests.cc
  Call manifest_call(transport::Method method, const std::string& reference) const;
  Task<Result<transport::Response>> get_manifest(std::string reference);
  Task<Result<oci::Descriptor>> resolve_by_get(oci::ManifestName name);
  Task<Result<oci::Manifest>> manifest_again(oci::ManifestName name, std::string claimed);
  Task<Result<oci::PutOutcome>> refused_manifest(oci::ManifestName name, oci::Digest digest,
                                                 Error error);

  // upload_start.cc
  bool asks_by_mount() const;
  Task<Result<oci::UploadStart>> mount(const oci::Descriptor& blob, oci::RepositoryName from);
  Task<Result<oci::UploadStart>> open_session(const oci::Descriptor& blob);
  Result<oci::UploadSession> session_of(const transport::Response& response) const;
  Result<void> take_location(oci::UploadSession& session,
                             const transport::Response& response) const;

  // single_post.cc
  bool takes_single_post(const oci::Descriptor& blob) const;
  static oci::UploadSession unopened_session();
  Task<Result<void>> post_whole(oci::UploadSession& session, const oci::Descriptor& blob,
                                BodySource& body);

  // uploads.cc
  static Result<void> check_stored(const transport::Response& response, const oci::Digest& digest,
                                   std::string_view what);
  Task<Result<void>> put_rest(oci::UploadSession& session, const oci::Descriptor& blob,
                              BodySource& body, std::uint64_t length);
  Task<Result<void>> patch(oci::UploadSession& session, BodySource& body, std::uint64_t length,
                           bool ranged);

  // tags_with_digests.cc
  bool lists_digests() const;
  Task<Result<transport::Response>> ask_listing(TagListing kind, Call call);
  Task<Result<oci::TagPage>> listing_page(std::shared_ptr<ListingPlace> place);
  oci::TagPage then_plain(const ListingPlace& place, const Error& why);

  // referrers.cc
  Task<Result<oci::Referrers>> ask_referrers(const oci::Digest& wanted);
  Task<Result<std::optional<oci::Referrers>>> referrers_by_api(const oci::Digest& subject);
  Call referrers_call(std::string target) const;
  Task<Result<oci::Referrers>> referrers_by_tag(const oci::Digest& subject);
  Task<Result<bool>> tag_may_exist(std::string tag);

  Host& host_;
  oci::RepositoryName name_;
  Access access_;
  ScopeSet scopes_;
  mutable oci::RequestCounts counts_;

  /// Somebody asks for referrers, and nobody has had an answer yet.
  std::shared_ptr<Event> first_referrers_;
  bool referrers_answered_ = false;
  /// The referrers API is not there: asked again after this.
  std::optional<Clock::time_point> no_referrers_api_until_;
  /// Where the newest list of tags with digests stands. Who asks for a page of it holds it.
  std::shared_ptr<ListingPlace> listing_;
  /// All digest tags of the repository, where one page of tags held them all.
  struct DigestTags {
    std::set<std::string> tags;
    bool complete = false;
    Clock::time_point read_at;
  };
  std::optional<DigestTags> digest_tags_;
};

}  // namespace transship::registry

#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event.h"
#include "base/worker_pool.h"
#include "oci/store.h"
#include "storage/file_io.h"
#include "storage/layout_files.h"
#include "storage/layout_scan.h"

namespace transship::storage {

struct OciLayoutOptions {
  std::uint64_t max_index_bytes = 4ULL << 20U;  ///< Of index.json: about 13,000 names.
  oci::ParseLimits manifest{};
  std::size_t tags_per_page = 1000;
};

/// An OCI image layout on disk as a store (image-spec image-layout.md), readable by skopeo, oras,
/// crane and regctl.
///
/// A manifest put by name is listed in index.json under `org.opencontainers.image.ref.name`, any
/// text; one put by digest is listed without a name until a name, or an index that holds it, leads
/// to it; referrers stay listed, as only that leads to them. index.json is read again whenever it
/// changed, as other processes may write; writes are made under a lock file and replace it whole.
/// Content is committed by rename after fsync. What an interrupted run left of a blob is gone on
/// with, hashed again: a file may have lost what was not synced.
///
/// Lives on the control shard, the executor of `files`; bodies move on theirs. What blocks runs on
/// the pool. `files` and `pool` outlive it.
class OciLayout final : public oci::TargetRepository {
 public:
  /// To read; writing is refused. kNotFound, kMalformed or kUnsupported when it is no layout.
  [[nodiscard]] static Task<Result<std::unique_ptr<OciLayout>>> open(
      FileIo& files, WorkerPool& pool, std::filesystem::path directory,
      OciLayoutOptions options = {});
  /// To read and write; made when it is not there. kInvalidArgument when the directory holds
  /// something else.
  [[nodiscard]] static Task<Result<std::unique_ptr<OciLayout>>> create(
      FileIo& files, WorkerPool& pool, std::filesystem::path directory,
      OciLayoutOptions options = {});

  oci::RepositoryId id() const override { return {layout_->name(), ""}; }
  /// By an empty name: the only entry there is, referrers and digest tags aside.
  Task<Result<oci::Descriptor>> resolve(oci::ManifestName name) override;
  Task<Result<oci::Manifest>> manifest(oci::ManifestName name) override;
  Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                          BodySink& sink) override;
  /// The names that are valid tags, in order.
  Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override;
  Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override;
  const oci::RequestCounts& counts() const override { return counts_; }
  Task<Result<oci::UploadStart>> start_upload(const oci::Descriptor& blob,
                                              std::optional<oci::RepositoryName> from) override;
  Task<Result<void>> upload(oci::UploadSession& session, const oci::Descriptor& blob,
                            BodySource& body) override;
  Task<Result<void>> upload_status(oci::UploadSession& session) override;
  Task<void> cancel_upload(oci::UploadSession session) override;
  Task<Result<bool>> has_blob(const oci::Descriptor& blob) override;
  /// Does not ask for the manifest's blobs: layouts may be sparse.
  Task<Result<oci::PutOutcome>> put_manifest(oci::ManifestName name,
                                             const oci::Manifest& manifest) override;

 private:
  using Index = std::shared_ptr<const LayoutFiles::Index>;
  /// Edits that go into one write of index.json.
  struct Batch {
    std::vector<LayoutEdit> edits;
    std::optional<Result<void>> result{};
  };

  OciLayout(FileIo& files, WorkerPool& pool, std::shared_ptr<LayoutFiles> layout,
            OciLayoutOptions options, bool writable);
  static Task<Result<std::unique_ptr<OciLayout>>> make(FileIo& files, WorkerPool& pool,
                                                       std::filesystem::path directory,
                                                       OciLayoutOptions options, bool writable);

  Result<void> check_writable() const;
  Task<Result<Index>> index();
  Task<Result<void>> scan(Index index);
  Task<Result<oci::Descriptor>> find(oci::ManifestName name);
  Task<Result<oci::Manifest>> read(oci::ManifestName name);
  Task<Result<LayoutEntry>> default_entry(Index index);
  Task<Result<void>> list(LayoutEdit edit);
  Task<Result<void>> write(const std::vector<LayoutEdit>& edits);
  Task<Result<void>> receive(oci::UploadSession& session, const oci::Descriptor& blob,
                             BodySource& body);

  Task<Result<oci::HashState>> hash_left(int file, oci::Algorithm algorithm, std::uint64_t size);

  FileIo& files_;
  WorkerPool& pool_;
  /// Locked files of the uploads in flight, by location.
  std::map<std::string, File> uploads_;
  std::shared_ptr<LayoutFiles> layout_;
  OciLayoutOptions options_;
  bool writable_;
  oci::RequestCounts counts_;

  Index index_;
  std::shared_ptr<LayoutScan> scan_ = std::make_shared<LayoutScan>();
  std::optional<FileStamp> scanned_;
  bool scanning_ = false, writing_ = false;
  std::shared_ptr<Batch> next_batch_;  // Not begun yet; bounded by the callers that wait for it.
  Event turn_;                         // A scan or a write has ended.
};

}  // namespace transship::storage

#include "engine/copy/copy.h"

#include <set>

#include "engine/copy/artifact_copy.h"
#include "engine/copy/copy_report.h"

namespace transship::engine {

Task<Report> copy_artifact(const Context& context, oci::SourceRepository& source,
                           oci::ManifestName root, std::vector<CopyTarget> targets,
                           const CopyOptions& options) {
  RunState run(context, options.dry_run);
  run.uploads = options.uploads;
  ReportKeeper keeper(run, source, targets);
  SourceView view(run, source);
  BlobPlacement blobs(run, source);
  ManifestCommit commits(run, view, blobs);
  ArtifactCopy copy({run, view, blobs, commits, options}, std::move(root), targets,
                    co_await current_executor());
  keeper.add(co_await copy.run());
  co_return keeper.finish();
}

}  // namespace transship::engine

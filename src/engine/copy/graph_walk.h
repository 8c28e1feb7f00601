#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/task_group.h"
#include "engine/copy/manifest_commit.h"

namespace transship::engine {

/// A manifest that a walk has met, and how far it is at each target.
struct Node {
  enum class At : std::uint8_t {
    kIdle,    ///< Nobody brings it in this walk.
    kComing,  ///< It will be there, or fail.
    kLast,    ///< A root that comes after all else, with its tag: nothing may wait for it.
    kHere,
    kFailed
  };

  oci::Descriptor descriptor;  ///< As its parent, a list of referrers or the root's reader said.
  ManifestPtr pinned;          ///< Made here (platform filter): the source does not have it.
  std::string parent;          ///< Who referred to it first, for messages.
  std::vector<At> at;          ///< By delivery.
  bool visited = false;
  bool made_here = false;  ///< A filtered index: nothing at the source refers to it.
};

/// Walks one artifact's graph from the source and brings it to all targets: children before
/// parents, each digest once, blobs read once for all. What refers to what it meets is for others
/// (`on_node`). Each target advances by itself and ends by itself; its first failure is in its
/// Delivery. On the control shard; `join` before it is destroyed.
///
/// No limit can block it: a task holds a slot only for one request or one transfer, and waits for
/// other tasks only without one. Waits follow edges of content and subjects, which are digests of
/// what was hashed before: they cannot form a ring.
class GraphWalk {
 public:
  using Deliveries = std::vector<Delivery*>;

  GraphWalk(RunState& run, SourceView& source, BlobPlacement& blobs, ManifestCommit& commits,
            Deliveries deliveries, Executor executor);

  /// Called once for each manifest met, before its content is read.
  std::function<void(Node&)> on_node;
  /// Indexes that every target has are read too, so that `on_node` sees what is below them.
  bool explore_all = false;

  const Executor& executor() const { return executor_; }
  const Deliveries& deliveries() const { return deliveries_; }
  Node& node(const oci::Descriptor& descriptor);
  /// `manifest` is what `node` stands for: it is not asked for again while the walk lives.
  Node& pin(ManifestPtr manifest);

  /// Brings what is below `node` to `want`, and the node itself, by digest.
  void bring(Node& node, const Deliveries& want, bool ask_targets = true);
  /// Says that the caller will bring `node` itself, so that others wait for it; then `set_here`,
  /// `set_last` or `set_failed` must follow, and nothing that may wait for it may come before.
  void announce(Node& node, const Deliveries& want) { start_visit(node, want); }
  /// Only what is below it: the node itself is left to the caller, who calls `ready`, commits it
  /// and then `set_here`.
  [[nodiscard]] Task<Result<ContentPtr>> bring_below(Node& node, Deliveries want);
  /// All below it is at the delivery's target.
  [[nodiscard]] Task<Result<void>> ready(ContentPtr content, Delivery& delivery);
  /// Waits until `node` is at the delivery's target; the delivery's failure when it never will be.
  [[nodiscard]] Task<Result<void>> wait_here(Node& node, Delivery& delivery);
  /// The same for a subject, where a walk may have nothing to do with it.
  [[nodiscard]] Task<Result<void>> wait_if_coming(Node& node, Delivery& delivery);
  void set_here(Node& node, Delivery& delivery) { set(node, delivery, Node::At::kHere); }
  void set_last(Node& node, Delivery& delivery) { set(node, delivery, Node::At::kLast); }
  void set_failed(Node& node, Delivery& delivery, Error error);

  /// The target is the source's own repository: what the source has is there.
  bool holds_source(const Delivery& delivery) const { return delivery.id() == source_.id(); }

  /// Work for all targets: its failure fails them all.
  void spawn(Task<Result<void>> task);
  /// Work for one target.
  void spawn_for(Delivery& delivery, Task<Result<void>> task);
  /// Work that waits for all other work: not waited for by `idle`.
  void spawn_last(Task<Result<void>> task);
  /// Until all work that concerns this target has ended, or the target failed.
  [[nodiscard]] Task<Result<void>> idle(Delivery& delivery);
  [[nodiscard]] Task<Result<void>> join() { return group_.join(); }

 private:
  struct Visit {
    Node* node;
    Deliveries want;
    std::size_t depth;
    bool ask_targets;
  };
  [[nodiscard]] Task<Result<void>> visit(Visit visit);
  [[nodiscard]] Task<Result<Deliveries>> lacking(Node* node, Deliveries want, bool ask_targets);
  [[nodiscard]] Task<Result<void>> look_at(Node* node, Delivery* delivery, Deliveries* out);
  [[nodiscard]] Task<Result<ContentPtr>> read(Node* node);
  [[nodiscard]] Task<Result<void>> bring_blobs(ContentPtr content, Deliveries want);
  [[nodiscard]] Task<Result<void>> visit_children(ContentPtr content, Deliveries want,
                                                  std::size_t depth, bool ask_targets);
  [[nodiscard]] Task<Result<void>> visit_child(Visit visit, Slots::Held window);
  [[nodiscard]] Task<Result<void>> commit(Node* node, ContentPtr content, Delivery* delivery);
  [[nodiscard]] Task<Result<void>> ensure_blobs(ContentPtr content, Delivery& delivery);
  [[nodiscard]] Task<Result<void>> ensure_one(oci::Descriptor blob, Delivery* delivery,
                                              Slots::Held window);
  void set(Node& node, Delivery& delivery, Node::At state);
  void fail_all(Node& node, const Deliveries& want, const Error& error);
  Deliveries start_visit(Node& node, const Deliveries& want);
  void ended(Delivery* delivery);

  RunState& run_;
  SourceView& source_;
  BlobPlacement& blobs_;
  ManifestCommit& commits_;
  Deliveries deliveries_;
  Executor executor_;
  TaskGroup group_;
  Event changed_;  ///< Some node's state, or some count of work.
  std::size_t shared_work_ = 0;
  std::vector<std::size_t> work_;  ///< By delivery.
  std::unordered_map<oci::Digest, std::unique_ptr<Node>> nodes_;
  std::unordered_set<oci::Digest> counted_blobs_;
};

}  // namespace transship::engine

#include "engine/copy/graph_walk.h"

#include <fmt/format.h>

#include <algorithm>

#include "oci/manifest.h"

namespace transship::engine {
namespace {

constexpr std::size_t kMaxDepth = 64;
/// Children of one index that are looked at together, blobs of one manifest that are waited for
/// together: bounds what a huge manifest takes in coroutines.
constexpr std::size_t kWindow = 32;

}  // namespace

GraphWalk::GraphWalk(RunState& run, SourceView& source, BlobPlacement& blobs,
                     ManifestCommit& commits, Deliveries deliveries, Executor executor)
    : run_(run),
      source_(source),
      blobs_(blobs),
      commits_(commits),
      deliveries_(std::move(deliveries)),
      executor_(std::move(executor)),
      group_(executor_, TaskGroup::OnFailure::kKeepGoing),
      changed_(executor_),
      work_(deliveries_.size(), 0) {}

Node& GraphWalk::node(const oci::Descriptor& descriptor) {
  std::unique_ptr<Node>& slot = nodes_[descriptor.digest];
  if (!slot) {
    slot = std::make_unique<Node>();
    slot->descriptor = descriptor;
    slot->at.assign(deliveries_.size(), Node::At::kIdle);
  }
  return *slot;
}

Node& GraphWalk::pin(ManifestPtr manifest) {
  Node& pinned = node(manifest->descriptor());
  pinned.descriptor = manifest->descriptor();
  pinned.pinned = std::move(manifest);
  return pinned;
}

// --- work and its counts

void GraphWalk::ended(Delivery* delivery) {
  --(delivery != nullptr ? work_[delivery->index] : shared_work_);
  changed_.notify_all();
}

void GraphWalk::spawn(Task<Result<void>> task) {
  ++shared_work_;
  group_.spawn([](GraphWalk* walk, Task<Result<void>> inner) -> Task<Result<void>> {
    Result<void> result = co_await std::move(inner);
    if (!result) {
      for (Delivery* delivery : walk->deliveries_) delivery->fail_with(result.error());
    }
    walk->ended(nullptr);
    co_return Result<void>{};
  }(this, std::move(task)));
}

void GraphWalk::spawn_for(Delivery& delivery, Task<Result<void>> task) {
  ++work_[delivery.index];
  group_.spawn([](GraphWalk* walk, Delivery* to, Task<Result<void>> inner) -> Task<Result<void>> {
    Result<void> result = co_await std::move(inner);
    if (!result) to->fail_with(std::move(result).error());
    walk->ended(to);
    co_return Result<void>{};
  }(this, &delivery, std::move(task)));
}

void GraphWalk::spawn_last(Task<Result<void>> task) { group_.spawn(std::move(task)); }

Task<Result<void>> GraphWalk::idle(Delivery& delivery) {
  while (delivery.live() && (shared_work_ > 0 || work_[delivery.index] > 0)) {
    TS_CO_TRY(co_await changed_.wait());
  }
  if (delivery.failure) co_return std::unexpected(*delivery.failure);
  co_return Result<void>{};
}

// --- states

void GraphWalk::set(Node& node, Delivery& delivery, Node::At state) {
  node.at[delivery.index] = state;
  changed_.notify_all();
}

void GraphWalk::set_failed(Node& node, Delivery& delivery, Error error) {
  delivery.fail_with(std::move(error));
  set(node, delivery, Node::At::kFailed);
}

void GraphWalk::fail_all(Node& node, const Deliveries& want, const Error& error) {
  for (Delivery* delivery : want) set_failed(node, *delivery, error);
}

Task<Result<void>> GraphWalk::wait_here(Node& node, Delivery& delivery) {
  while (true) {
    switch (node.at[delivery.index]) {
      case Node::At::kLast:
      case Node::At::kHere:
        co_return Result<void>{};
      case Node::At::kFailed:
        if (delivery.failure) co_return std::unexpected(*delivery.failure);
        co_return fail(Errc::kInternal, "failed without a reason");
      case Node::At::kIdle:
      case Node::At::kComing:
        // A failed target's work is not waited for: it may never be started.
        if (delivery.failure) co_return std::unexpected(*delivery.failure);
        TS_CO_TRY(co_await changed_.wait());
    }
  }
}

Task<Result<void>> GraphWalk::wait_if_coming(Node& node, Delivery& delivery) {
  if (node.at[delivery.index] == Node::At::kIdle) co_return Result<void>{};
  co_return co_await wait_here(node, delivery);
}

// --- the walk

GraphWalk::Deliveries GraphWalk::start_visit(Node& node, const Deliveries& want) {
  Deliveries fresh;
  for (Delivery* delivery : want) {
    if (!delivery->live() || node.at[delivery->index] != Node::At::kIdle) continue;
    node.at[delivery->index] = Node::At::kComing;
    fresh.push_back(delivery);
  }
  return fresh;
}

void GraphWalk::bring(Node& node, const Deliveries& want, bool ask_targets) {
  spawn(visit({.node = &node, .want = want, .depth = 0, .ask_targets = ask_targets}));
}

Task<Result<ContentPtr>> GraphWalk::bring_below(Node& node, Deliveries want) {
  if (!std::exchange(node.visited, true) && on_node) on_node(node);
  TS_CO_TRY(ContentPtr content, co_await read(&node));
  TS_CO_TRY(co_await visit_children(content, want, 0, true));
  TS_CO_TRY(co_await bring_blobs(content, std::move(want)));
  co_return content;
}

Task<Result<void>> GraphWalk::visit(Visit visit) {
  Node& node = *visit.node;
  const bool first = !std::exchange(node.visited, true);
  Deliveries want = start_visit(node, visit.want);
  if (visit.depth > kMaxDepth) {
    Error error{.code = Errc::kTooLarge,
                .message = fmt::format("{} is nested deeper than {} indexes",
                                       node.descriptor.digest.to_string(), kMaxDepth),
                .side = Side::kSource};
    fail_all(node, want, error);
    co_return Result<void>{};
  }
  if (first && on_node) on_node(node);
  auto left = co_await lacking(&node, want, visit.ask_targets);
  if (!left) {
    fail_all(node, want, left.error());
    co_return Result<void>{};
  }
  const bool explore =
      explore_all && first && oci::media_type::is_index(node.descriptor.media_type);
  if (left->empty() && !explore) co_return Result<void>{};
  Result<ContentPtr> content = co_await read(&node);
  if (!content) {
    // Where nothing is lacking only the evidence below it is unknown; that fails too.
    fail_all(node, left->empty() ? deliveries_ : *left, content.error());
    co_return Result<void>{};
  }
  // From here on the content holds it: thousands of referrers are not kept to the end.
  if (!node.made_here) node.pinned.reset();
  TS_CO_TRY(co_await visit_children(*content, *left, visit.depth, visit.ask_targets));
  TS_CO_TRY(co_await bring_blobs(*content, *left));
  for (Delivery* delivery : *left) spawn_for(*delivery, commit(&node, *content, delivery));
  co_return Result<void>{};
}

Task<Result<GraphWalk::Deliveries>> GraphWalk::lacking(Node* node, Deliveries want,
                                                       bool ask_targets) {
  Deliveries out;
  TaskGroup looks(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  for (Delivery* delivery : want) {
    if (run_.manifests.at(delivery->id(), node->descriptor.digest) == Presence::State::kHere ||
        (holds_source(*delivery) && !node->made_here)) {
      ++delivery->totals.manifests_skipped;
      set(*node, *delivery, Node::At::kHere);
    } else if (ask_targets && delivery->probe) {
      looks.spawn(look_at(node, delivery, &out));
    } else {
      out.push_back(delivery);
    }
  }
  TS_CO_TRY(co_await looks.join());
  co_return out;
}

Task<Result<void>> GraphWalk::look_at(Node* node, Delivery* delivery, Deliveries* out) {
  const oci::Digest digest = node->descriptor.digest;
  auto there = co_await commits_.look(oci::ManifestName::by_digest(digest), *delivery);
  if (!there) {
    set_failed(*node, *delivery, std::move(there).error());
  } else if (*there && (*there)->digest == digest) {
    run_.manifests.arrived(delivery->id(), digest);
    ++delivery->totals.manifests_skipped;
    set(*node, *delivery, Node::At::kHere);
  } else {
    out->push_back(delivery);
  }
  co_return Result<void>{};
}

Task<Result<ContentPtr>> GraphWalk::read(Node* node) {
  if (node->pinned) co_return co_await content_of(source_, node->pinned);
  const WaitingForSource answer(run_.context.time, deliveries_);
  Result<ManifestPtr> manifest =
      co_await source_.manifest(oci::ManifestName::by_digest(node->descriptor.digest));
  if (!manifest) {
    if (node->parent.empty()) co_return std::unexpected(std::move(manifest).error());
    co_return std::unexpected(std::move(manifest).error().within("child of " + node->parent));
  }
  co_return co_await content_of(source_, std::move(*manifest));
}

Task<Result<void>> GraphWalk::visit_children(ContentPtr content, Deliveries want, std::size_t depth,
                                             bool ask_targets) {
  if (content->manifests.empty()) co_return Result<void>{};
  Slots window(kWindow);
  TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  Result<void> result;
  for (const oci::Descriptor& child : content->manifests) {
    Result<Slots::Held> place = co_await window.take();
    if (!place) {
      result = std::unexpected(std::move(place).error());
      break;
    }
    Node& below = node(child);
    if (below.parent.empty()) below.parent = content->manifest->digest.to_string();
    group.spawn(
        visit_child({.node = &below, .want = want, .depth = depth + 1, .ask_targets = ask_targets},
                    std::move(*place)));
  }
  Result<void> joined = co_await group.join();
  co_return result ? joined : result;
}

Task<Result<void>> GraphWalk::visit_child(Visit what, Slots::Held) {
  co_return co_await visit(std::move(what));
}

// Slots are taken before the next blob is looked at: the queue of waiting transfers stays short.
Task<Result<void>> GraphWalk::bring_blobs(ContentPtr content, Deliveries want) {
  std::erase_if(want, [this](const Delivery* delivery) { return holds_source(*delivery); });
  if (content->foreign_layers > 0) {
    for (Delivery* delivery : want) {
      delivery->add_note("foreign layers stay at their urls, and are not copied");
    }
  }
  for (const oci::Descriptor& blob : content->blobs) {
    TS_CO_TRY(co_await check_cancelled());
    if (counted_blobs_.insert(blob.digest).second) {
      for (Delivery* delivery : want) {
        if (run_.blobs.at(delivery->id(), blob.digest) == Presence::State::kUnknown) continue;
        ++delivery->totals.blobs_skipped;
        delivery->totals.bytes_skipped += blob.size;
      }
    }
    if (blobs_.wanting(blob, want).empty()) continue;
    TS_CO_TRY(Slots::Held slot, co_await run_.slots_for(blob).take());
    Deliveries claimed = blobs_.claim(blob, want);
    if (claimed.empty()) continue;
    group_.spawn(blobs_.bring(blob, std::move(claimed), std::move(slot)));
  }
  co_return Result<void>{};
}

Task<Result<void>> GraphWalk::ready(ContentPtr content, Delivery& delivery) {
  TS_CO_TRY(co_await ensure_blobs(content, delivery));
  for (const oci::Descriptor& child : content->manifests) {
    TS_CO_TRY(co_await wait_here(node(child), delivery));
  }
  co_return Result<void>{};
}

Task<Result<void>> GraphWalk::ensure_blobs(ContentPtr content, Delivery& delivery) {
  if (holds_source(delivery)) co_return Result<void>{};
  Slots window(kWindow);
  TaskGroup group(co_await current_executor(), TaskGroup::OnFailure::kKeepGoing);
  Result<void> result;
  for (const oci::Descriptor& blob : content->blobs) {
    if (run_.blobs.at(delivery.id(), blob.digest) == Presence::State::kHere) continue;
    Result<Slots::Held> place = co_await window.take();
    if (!place) {
      result = std::unexpected(std::move(place).error());
      break;
    }
    group.spawn(ensure_one(blob, &delivery, std::move(*place)));
  }
  Result<void> joined = co_await group.join();
  co_return result ? joined : result;
}

Task<Result<void>> GraphWalk::ensure_one(oci::Descriptor blob, Delivery* delivery, Slots::Held) {
  co_return co_await blobs_.ensure(std::move(blob), *delivery);
}

Task<Result<void>> GraphWalk::commit(Node* node, ContentPtr content, Delivery* delivery) {
  Result<void> done = co_await ready(content, *delivery);
  if (done && content->manifest->subject) {
    // Some registries refuse a referrer before its subject.
    auto subject = nodes_.find(content->manifest->subject->digest);
    if (subject != nodes_.end()) done = co_await wait_if_coming(*subject->second, *delivery);
  }
  if (done) done = co_await commits_.by_digest(content, *delivery);
  if (done) {
    set_here(*node, *delivery);
  } else {
    set_failed(*node, *delivery, std::move(done).error());
  }
  co_return Result<void>{};
}

}  // namespace transship::engine

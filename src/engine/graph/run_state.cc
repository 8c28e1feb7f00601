#include "engine/graph/run_state.h"

#include <algorithm>

namespace transship::engine {

TargetState& RunState::target(oci::TargetRepository& target) {
  std::unique_ptr<TargetState>& state = targets[target.id().to_string()];
  if (!state) {
    Slots& slots =
        alone.try_emplace(target.id().store, context.options.blobs_in_flight).first->second;
    state = std::make_unique<TargetState>(target, slots);
    if (auto known = referrers_apis.find(state->id.store); known != referrers_apis.end()) {
      state->referrers_api = known->second;
    }
  }
  return *state;
}

Slots& RunState::slots_for(const oci::Descriptor& blob) {
  const Options& options = context.options;
  const bool small = options.small_blobs_in_flight > 0 && blob.size <= options.small_blob_bytes;
  return small ? small_blob_slots : blob_slots;
}

std::shared_ptr<oci::TargetRepository> RunState::begin_target(
    std::unique_ptr<oci::TargetRepository> repository) {
  Shared& shared = shared_targets[repository->id().to_string()];
  if (shared.users++ == 0) shared.repository = std::move(repository);
  return shared.repository;
}

void RunState::end_target(const oci::RepositoryId& id) {
  const std::string name = id.to_string();
  if (const auto shared = shared_targets.find(name); shared != shared_targets.end()) {
    if (--shared->second.users > 0) return;
    shared_targets.erase(shared);
  }
  targets.erase(name);
  std::erase_if(subjects_processed, [&](const auto& one) { return one.first == name; });
  std::erase_if(fallback_writers,
                [&](const auto& one) { return one.first.starts_with(name + "@"); });
  manifests.forget_repository(id);
}

void RunState::learn_mount(const std::string& store, const oci::Digest& blob, bool granted) {
  MountEvidence& evidence = mount_evidence[store];
  if (granted) {
    evidence.granted = true;
    mounts[store] = Learned::kYes;
  } else if (!evidence.granted) {
    evidence.refused.insert(blob);
    if (evidence.refused.size() >= kRefusalsThatCount) mounts[store] = Learned::kNo;
  }
}

void RunState::learn_referrers_api(TargetState& target, bool works) {
  target.referrers_api = works ? Learned::kYes : Learned::kNo;
  referrers_apis[target.id.store] = target.referrers_api;
}

void RunState::warn(std::string text) {
  if (std::ranges::find(warnings, text) != warnings.end()) return;
  context.progress.note(text);
  warnings.push_back(std::move(text));
}

void Delivery::fail_with(Error error) {
  if (!failure || failure->code == Errc::kCancelled) failure = std::move(error);
}

void Delivery::add_note(std::string_view text) {
  if (note.find(text) != std::string::npos) return;
  if (!note.empty()) note += "; ";
  note += text;
}

}  // namespace transship::engine

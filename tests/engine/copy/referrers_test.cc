#include <gtest/gtest.h>

#include "engine/copy/evidence.h"
#include "engine/copy_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;
using engine::ReferrerChoice;
using oci::ManifestName;

constexpr auto kSbom = "application/spdx+json";
constexpr auto kSignature = "application/vnd.cncf.notary.signature";

class Referrers : public CopyWorld {
 protected:
  oci::Manifest image(const std::string& tag = "v1") {
    return add_image(source, {.layers = {"one"}}, tag);
  }
  /// An image with an SBOM, which is signed.
  oci::Manifest signed_image() {
    const oci::Manifest root = image();
    sbom = add_referrer(source, root, kSbom, "packages");
    signature = add_referrer(source, sbom, kSignature, "signature of the sbom");
    return root;
  }
  oci::Manifest cosign(const oci::Manifest& subject, const std::string& suffix,
                       const std::string& content) {
    return add_image(source, {.layers = {content}, .config = "{\"cosign\":1}"},
                     "sha256-" + subject.digest.hex() + suffix);
  }
  std::size_t put_position(const std::string& what) const {
    for (std::size_t i = 0; i < target_store.log.size(); ++i) {
      const Call& call = target_store.log[i];
      if (call.step == Step::kPutManifest && call.what == what && !call.failed) return i;
    }
    ADD_FAILURE() << "no PUT of " << what;
    return 0;
  }

  oci::Manifest sbom, signature;
};

TEST_F(Referrers, NestedOnesComeAfterTheirSubjectsAndBeforeTheTag) {
  const oci::Manifest root = signed_image();
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(report.items.at(0).referrers, 2U);
  EXPECT_LT(put_position(root.digest.to_string()), put_position(sbom.digest.to_string()));
  EXPECT_LT(put_position(sbom.digest.to_string()), put_position(signature.digest.to_string()));
  EXPECT_LT(put_position(signature.digest.to_string()), put_position("v1"));
}

TEST_F(Referrers, ARootThatNothingRefersToIsPutOnceByItsTag) {
  image();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 1U);
  EXPECT_EQ(source_store.calls(Step::kReferrers), 1U);
  EXPECT_EQ(source_store.calls(Step::kTags), 1U);
  EXPECT_EQ(target_store.calls(Step::kReferrers), 0U);
}

TEST_F(Referrers, NoneAsksForNothing) {
  const oci::Manifest root = signed_image();
  copy_options.referrers.which = ReferrerChoice::Which::kNone;
  ASSERT_TRUE(copy("v1").ok());
  EXPECT_EQ(source_store.calls(Step::kReferrers) + source_store.calls(Step::kTags), 0U);
  EXPECT_EQ(target.find(ManifestName::by_digest(sbom.digest)), nullptr);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(Referrers, OfChildrenAreCopiedToo) {
  const oci::Manifest child = add_image(source, {.layers = {"amd"}});
  const oci::Manifest on_child = add_referrer(source, child, kSbom, "child's packages");
  const oci::Manifest root = add_index(source, {entry(child, "linux/amd64")}, "v1");
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_NE(target.find(ManifestName::by_digest(on_child.digest)), nullptr);
}

TEST_F(Referrers, TypesAreChosenHereNotByTheRegistry) {
  signed_image();
  const oci::Manifest other = add_referrer(source, *source.find(ManifestName::by_tag("v1")),
                                           kSignature, "signature of the image");
  copy_options.referrers = {.which = ReferrerChoice::Which::kTypes, .types = {kSignature}};
  ASSERT_TRUE(copy("v1").ok());
  EXPECT_NE(target.find(ManifestName::by_digest(other.digest)), nullptr);
  EXPECT_EQ(target.find(ManifestName::by_digest(sbom.digest)), nullptr);
}

TEST_F(Referrers, SuffixesOfDigestTagsHaveTypes) {
  const ReferrerChoice types{.which = ReferrerChoice::Which::kTypes,
                             .types = {"application/vnd.dsse.envelope.v1+json"}};
  EXPECT_TRUE(engine::wanted_suffix(types, ".att"));
  EXPECT_FALSE(engine::wanted_suffix(types, ".sig"));
  EXPECT_FALSE(engine::wanted_suffix(types, ".strange"));
  EXPECT_TRUE(engine::wanted_suffix({}, ".strange"));
  EXPECT_FALSE(engine::wanted_suffix({.which = ReferrerChoice::Which::kNone, .types = {}}, ".sig"));
  EXPECT_TRUE(engine::wanted(types, "application/vnd.dsse.envelope.v1+json"));
  EXPECT_FALSE(engine::wanted(types, ""));
}

TEST_F(Referrers, DigestTagsFollowTheirSubjectBeforeTheTag) {
  const oci::Manifest root = image();
  const oci::Manifest sig = cosign(root, ".sig", "signature");
  const oci::Manifest of_sig = cosign(sig, ".att", "attested signature");
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at("sha256-" + root.digest.hex() + ".sig"), sig.digest);
  EXPECT_EQ(target.tag_map().at("sha256-" + sig.digest.hex() + ".att"), of_sig.digest);
  expect_complete(target, source, root.digest);
  EXPECT_LT(put_position(root.digest.to_string()),
            put_position("sha256-" + root.digest.hex() + ".sig"));
  EXPECT_EQ(source_store.calls(Step::kTags), 1U);
}

// Quay: asked before the subject is there, its API says nothing.
TEST_F(Referrers, AnApiThatNeedsTheSubjectIsAnApi) {
  const oci::Manifest root = image();
  add_referrer(source, root, kSbom, "packages");
  add_image(target, {.layers = {"older"}}, "v1");
  target_store.options.referrers_need_subject = true;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_FALSE(target.tag_map().contains(oci::fallback_tag(root.digest)));
}

// Registries that end their lists of tags too early, or have none.
TEST_F(Referrers, WhereTheListOfTagsIsNotWholeThoseOfCosignAreAskedFor) {
  const oci::Manifest root = image();
  for (const char* suffix : {".sig", ".att", ".sbom"}) cosign(root, suffix, suffix);
  const auto copied = [&] {
    const engine::Report report = copy("v1");
    EXPECT_TRUE(report.ok()) << why(report);
    EXPECT_EQ(report.warnings.size(), 1U);
    std::size_t found = 0;
    for (const char* suffix : {".sig", ".att", ".sbom"}) {
      found += target.tag_map().contains("sha256-" + root.digest.hex() + suffix) ? 1 : 0;
    }
    return found;
  };
  source_store.options.tags_per_page = 1;
  source_store.options.list_end = 1;
  EXPECT_EQ(copied(), 3U);
  source_store.options.list_end = 0;
  source_store.inject({.step = Step::kTags,
                       .times = 100,
                       .error = {.code = Errc::kUnsupported, .message = "HTTP 405"}});
  EXPECT_EQ(copied(), 3U);
}

TEST_F(Referrers, ADigestTagThatMovedIsUpdatedThoughTheImageDidNot) {
  const oci::Manifest root = image();
  cosign(root, ".sig", "first");
  ASSERT_TRUE(copy("v1").ok());
  const oci::Manifest second = cosign(root, ".sig", "second");
  clear_logs();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kCopied);
  EXPECT_EQ(target.tag_map().at("sha256-" + root.digest.hex() + ".sig"), second.digest);
  clear_logs();
  EXPECT_EQ(copy("v1").items.at(0).outcome, ItemOutcome::kUnchanged);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 0U);
}

TEST_F(Referrers, ANewReferrerOfAnUnchangedDigestTagIsCopied) {
  const oci::Manifest root = image();
  const oci::Manifest sig = cosign(root, ".sig", "signature");
  ASSERT_TRUE(copy("v1").ok());
  const oci::Manifest late = add_referrer(source, sig, kSbom, "late");
  ASSERT_TRUE(copy("v1").ok());
  EXPECT_NE(target.find(ManifestName::by_digest(late.digest)), nullptr);
}

TEST_F(Referrers, ANewReferrerOfAnUnchangedImageIsCopied) {
  const oci::Manifest root = image();
  ASSERT_TRUE(copy("v1").ok());
  add_referrer(source, root, kSbom, "packages");
  clear_logs();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kCopied);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 1U);
}

TEST_F(Referrers, NothingNewReadsNoManifestAndWritesNone) {
  signed_image();
  ASSERT_TRUE(copy("v1").ok());
  clear_logs();
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kUnchanged);
  EXPECT_EQ(source_store.calls(Step::kManifestGet), 0U);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 0U);
  EXPECT_EQ(report.items[0].referrers, 2U);
}

TEST_F(Referrers, TargetsWithoutTheApiGetAFallbackIndexWrittenOncePerSubject) {
  const oci::Manifest root = image();
  const oci::Manifest a = add_referrer(source, root, kSbom, "a");
  const oci::Manifest b = add_referrer(source, root, kSignature, "b");
  target_store.options.referrers_api = false;
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  const std::string tag = oci::fallback_tag(root.digest);
  const oci::Manifest* index = target.find(ManifestName::by_tag(tag));
  ASSERT_NE(index, nullptr);
  std::set<std::string> types;
  for (const oci::Descriptor& one : index->manifests) types.insert(one.artifact_type);
  EXPECT_EQ(types, (std::set<std::string>{kSbom, kSignature}));
  EXPECT_LT(put_position(tag), put_position("v1"));
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 5U);  // root twice, a, b, the index once
  clear_logs();
  EXPECT_EQ(copy("v1").items.at(0).outcome, ItemOutcome::kUnchanged);
}

TEST_F(Referrers, AFallbackTagAtTheSourceBecomesApiAtTheTarget) {
  const oci::Manifest root = image();
  const oci::Manifest a = add_referrer(source, root, kSbom, "a");
  add_fallback_tag(source, root, {a});
  source_store.options.referrers_api = false;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_FALSE(target.tag_map().contains(oci::fallback_tag(root.digest)));
}

TEST_F(Referrers, EntriesOfOthersInTheFallbackIndexStay) {
  const oci::Manifest root = image();
  add_referrer(source, root, kSbom, "ours");
  target_store.options.referrers_api = false;
  const oci::Manifest theirs = add_referrer(target, root, kSignature, "theirs");
  add_fallback_tag(target, root, {theirs});
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.find(ManifestName::by_tag(oci::fallback_tag(root.digest)))->manifests.size(),
            2U);
}

TEST_F(Referrers, AnUpdateLostToAnotherWriterIsWrittenAgain) {
  const oci::Manifest root = image();
  const oci::Manifest ours = add_referrer(source, root, kSbom, "ours");
  target_store.options.referrers_api = false;
  const oci::Manifest theirs = add_referrer(target, root, kSignature, "theirs");
  const std::string tag = oci::fallback_tag(root.digest);
  int lost = 0;
  target_store.watch = [&](const Call& call) {
    if (call.step != Step::kPutManifest || call.what != tag || lost == 2) return;
    ++lost;
    add_fallback_tag(target, root, {theirs});
  };
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(lost, 2);
  EXPECT_EQ(target.find(ManifestName::by_tag(tag))->manifests.size(), 2U);
}

TEST_F(Referrers, AWriterThatAlwaysWinsIsAConflict) {
  const oci::Manifest root = image();
  add_referrer(source, root, kSbom, "ours");
  target_store.options.referrers_api = false;
  const oci::Manifest theirs = add_referrer(target, root, kSignature, "theirs");
  const std::string tag = oci::fallback_tag(root.digest);
  target_store.watch = [&](const Call& call) {
    if (call.step == Step::kPutManifest && call.what == tag)
      add_fallback_tag(target, root, {theirs});
  };
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kConflict);
  EXPECT_FALSE(target.tag_map().contains("v1"));
}

TEST_F(Referrers, AFallbackTagThatIsNoIndexIsNeverOverwritten) {
  const oci::Manifest root = image();
  add_referrer(source, root, kSbom, "ours");
  target_store.options.referrers_api = false;
  const std::string tag = oci::fallback_tag(root.digest);
  const oci::Manifest in_the_way = add_image(target, {.layers = {"cosign copy"}}, tag);
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kConflict);
  EXPECT_FALSE(report.items[0].error->hint.empty());
  EXPECT_EQ(target.tag_map().at(tag), in_the_way.digest);
}

TEST_F(Referrers, AReferrerThatVanishedIsAWarning) {
  const oci::Manifest root = image();
  const oci::Manifest here = add_referrer(source, root, kSbom, "here");
  MemoryRepository& elsewhere = source_store.repository("elsewhere");
  const oci::Manifest gone = add_referrer(elsewhere, root, kSbom, "gone");
  add_fallback_tag(source, root, {gone, here});
  source_store.options.referrers_api = false;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_NE(report.warnings[0].find(gone.digest.to_string()), std::string::npos);
  EXPECT_NE(target.find(ManifestName::by_digest(here.digest)), nullptr);
}

TEST_F(Referrers, AListThatLiesInARingEnds) {
  // a's fallback tag lists b and b's lists a, neither of which names the other.
  const oci::Manifest a = image("v1");
  const oci::Manifest b = add_image(source, {.layers = {"b"}, .config = "{\"b\":1}"});
  add_fallback_tag(source, a, {b});
  add_fallback_tag(source, b, {a});
  cosign(a, ".sig", "s");
  source.tag("sha256-" + a.digest.hex() + ".ring", b.digest);
  source.tag("sha256-" + b.digest.hex() + ".ring", a.digest);
  source_store.options.referrers_api = false;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_FALSE(report.warnings.empty());
  EXPECT_EQ(target.tag_map().at("sha256-" + b.digest.hex() + ".ring"), a.digest);
}

TEST_F(Referrers, ASubjectDigestTagOfItselfEnds) {
  // cosign copy leaves such a tag, with a suffix here to make it worse.
  const oci::Manifest root = image("v1");
  source.tag("sha256-" + root.digest.hex(), root.digest);
  source.tag("sha256-" + root.digest.hex() + ".self", root.digest);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at("v1"), root.digest);
}

TEST_F(Referrers, ADigestTagThatNamesAPartOfItsSubjectEnds) {
  const oci::Manifest child = add_image(source, {.layers = {"amd"}});
  const oci::Manifest root = add_index(source, {entry(child, "linux/amd64")}, "v1");
  const std::string tag = "sha256-" + root.digest.hex() + ".att";
  source.tag(tag, child.digest);
  add_referrer(source, child, kSbom, "of the child");
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at(tag), child.digest);
  expect_complete(target, source, root.digest);
}

TEST_F(Referrers, AnApiThatDoesNotAnswerIsAFailureNotAnEmptyList) {
  signed_image();
  source_store.inject({.step = Step::kReferrers,
                       .times = 1000,
                       .error = {.code = Errc::kUnavailable, .message = "HTTP 503"}});
  const engine::Report report = copy("v1");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.items.at(0).error->code, Errc::kUnavailable);
  EXPECT_EQ(report.items[0].error->side, Side::kSource);
  EXPECT_FALSE(target.tag_map().contains("v1"));
}

TEST_F(Referrers, ASourceWithoutATagListIsAWarning) {
  const oci::Manifest root = signed_image();
  source_store.inject({.step = Step::kTags,
                       .times = 10,
                       .error = {.code = Errc::kUnsupported, .message = "HTTP 405"}});
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.warnings.size(), 1U);
  expect_complete(target, source, root.digest);
}

TEST_F(Referrers, OneTargetWithoutEvidenceDoesNotHoldTheOther) {
  const oci::Manifest root = signed_image();
  MemoryStore bad_store("bad.example", clock);
  MemoryRepository& bad = bad_store.repository("app");
  bad_store.inject({.step = Step::kPutManifest,
                    .times = 1000,
                    .what = signature.digest.to_string(),
                    .error = {.code = Errc::kDenied, .message = "HTTP 403"}});
  const engine::Report report = copy(ManifestName::by_tag("v1"), {{&bad, "v1"}, {&target, "v1"}});
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kFailed);
  EXPECT_FALSE(bad.tag_map().contains("v1"));
  EXPECT_EQ(report.items.at(1).outcome, ItemOutcome::kCopied) << why(report);
  expect_complete(target, source, root.digest);
}

TEST_F(Referrers, AReferrerThatIsAnIndexBringsItsChildren) {
  const oci::Manifest root = image();
  const oci::Manifest part = add_image(source, {.layers = {"part"}});
  const oci::Manifest index =
      add_index(source, {entry(part)}, "",
                fmt::format(R"(,"artifactType":"{}","subject":{})", kSbom, entry(root)));
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_NE(target.find(ManifestName::by_digest(index.digest)), nullptr);
}

TEST_F(Referrers, AnAttestationInTheIndexThatNamesItsImageIsCopiedOnce) {
  const oci::Manifest image_manifest = add_image(source, {.layers = {"amd"}});
  const oci::Manifest attestation = add_referrer(source, image_manifest, kSbom, "attested");
  const oci::Manifest root =
      add_index(source, {entry(attestation), entry(image_manifest, "linux/amd64")}, "v1");
  observe(target_store, target, source);
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  expect_complete(target, source, root.digest);
  EXPECT_EQ(target_store.calls(Step::kPutManifest), 3U);
}

TEST_F(Referrers, DigestTagsAreKeptWhereTagsAreNotOverwritten) {
  const oci::Manifest root = image();
  cosign(root, ".sig", "ours");
  const std::string tag = "sha256-" + root.digest.hex() + ".sig";
  const oci::Manifest theirs = add_image(target, {.layers = {"theirs"}}, tag);
  copy_options.overwrite = false;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(target.tag_map().at(tag), theirs.digest);
  EXPECT_NE(report.items.at(0).note.find("kept"), std::string::npos);
}

TEST_F(Referrers, ADryRunPlansThemAndWritesNothing) {
  signed_image();
  copy_options.dry_run = true;
  const engine::Report report = copy("v1");
  ASSERT_TRUE(report.ok()) << why(report);
  EXPECT_EQ(report.items.at(0).outcome, ItemOutcome::kPlanned);
  EXPECT_GE(report.items[0].totals.manifests_put, 3U);
  EXPECT_TRUE(target.manifests().empty());
  EXPECT_TRUE(target.blobs().empty());
}

}  // namespace
}  // namespace transship::test

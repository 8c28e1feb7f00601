#include <fstream>

#include "server/fixture.h"

namespace transship::server {
namespace {

class Lists : public ServerTest {
 protected:
  void SetUp() override { start(); }

  /// Follows Link to the end; every page's body.
  std::vector<std::string> pages(std::string target) const {
    std::vector<std::string> out;
    while (!target.empty() && out.size() < 100) {
      const RawReply reply = ask("GET", target);
      EXPECT_EQ(reply.status, 200) << target;
      out.push_back(reply.body);
      const std::string link = reply["link"];
      target = link.empty() ? "" : link.substr(1, link.find('>') - 1);
    }
    return out;
  }
  std::string referrer_of(std::string_view subject, std::string_view type, int n) const {
    const std::string manifest = fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{0}","artifactType":"{1}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{2}","size":2}},"layers":[],"subject":{{"mediaType":"{0}","digest":"{3}","size":{4}}},"annotations":{{"artifactType":"wrong","n":"{5}\"\\ü"}}}})",
        kManifestType, type, digest_text("{}"), digest_text(subject), subject.size(), n);
    const RawReply reply = put_manifest("a", digest_text(manifest), manifest);
    EXPECT_EQ(reply.status, 201) << reply.body;
    EXPECT_EQ(reply["oci-subject"], digest_text(subject));
    return manifest;
  }
};

TEST_F(Lists, TagsAreSortedAndPaged) {
  const std::string manifest = push_image("a", "b");
  for (const char* tag : {"c", "a", "B", "_x", "10"}) put_manifest("a", tag, manifest);
  EXPECT_EQ(ask("GET", "/v2/a/tags/list").body,
            R"({"name":"a","tags":["10","B","_x","a","b","c"]})");
  EXPECT_EQ(pages("/v2/a/tags/list?n=4"),
            (std::vector<std::string>{R"({"name":"a","tags":["10","B","_x","a"]})",
                                      R"({"name":"a","tags":["b","c"]})"}));
  EXPECT_EQ(pages("/v2/a/tags/list?n=6").size(), 1U);
  EXPECT_EQ(ask("GET", "/v2/a/tags/list?last=Z").body, R"({"name":"a","tags":["_x","a","b","c"]})");
  const RawReply none = ask("GET", "/v2/a/tags/list?n=0");
  EXPECT_EQ(none.body, R"({"name":"a","tags":[]})");
  EXPECT_EQ(none["link"], "");
  EXPECT_EQ(ask("GET", "/v2/a/tags/list?n=x").status, 400);
  EXPECT_EQ(ask("GET", "/v2/a/tags/list?n=-1").status, 400);
}

TEST_F(Lists, ARepositoryWithBlobsAloneHasNoTags) {
  push_blob("a", "x");
  EXPECT_EQ(ask("GET", "/v2/a/tags/list").body, R"({"name":"a","tags":[]})");
}

TEST_F(Lists, TheCatalogIsPaged) {
  for (const char* name : {"b", "a/x", "a", "c/d/e"}) push_blob(name, "x");
  EXPECT_EQ(ask("GET", "/v2/_catalog").body, R"({"repositories":["a","a/x","b","c/d/e"]})");
  EXPECT_EQ(pages("/v2/_catalog?n=3"),
            (std::vector<std::string>{R"({"repositories":["a","a/x","b"]})",
                                      R"({"repositories":["c/d/e"]})"}));
  restart();
  EXPECT_EQ(ask("GET", "/v2/_catalog").body, R"({"repositories":["a","a/x","b","c/d/e"]})");
}

TEST_F(Lists, ReferrersBeforeAndAfterTheirSubject) {
  push_blob("a", "{}");
  push_blob("a", "layer");
  const std::string subject = image_manifest("{}", "layer");
  const std::string target = "/v2/a/referrers/" + digest_text(subject);
  const RawReply none = ask("GET", target);
  EXPECT_EQ(none["content-type"], kIndexType);
  EXPECT_NE(none.body.find(R"("manifests":[])"), std::string::npos);
  const std::string sbom = referrer_of(subject, "application/spdx", 1);
  const std::string before = ask("GET", target).body;
  EXPECT_NE(before.find(digest_text(sbom)), std::string::npos);
  EXPECT_NE(before.find(R"("artifactType":"application/spdx")"), std::string::npos);
  EXPECT_NE(before.find(R"("annotations":{"artifactType":"wrong","n":"1\"\\ü"})"),
            std::string::npos)
      << before;
  EXPECT_EQ(put_manifest("a", "v1", subject).status, 201);
  EXPECT_EQ(ask("GET", target).body, before);
  restart();  // Folded, and read back.
  EXPECT_EQ(ask("GET", target).body, before);
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/" + digest_text(sbom)).status, 202);
  EXPECT_EQ(ask("GET", target).body, none.body);
}

TEST_F(Lists, ReferrersAreFilteredAndPaged) {
  options.limits.referrers_page_bytes = 300;
  restart();
  push_blob("a", "{}");
  const std::string subject = "a subject that is not here";
  for (int i = 0; i < 6; ++i) referrer_of(subject, i % 2 == 0 ? "application/x+y" : "other", i);
  const auto count = [](const std::vector<std::string>& all, std::string_view text) {
    std::size_t n = 0;
    for (const std::string& page : all) {
      for (auto at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++n;
    }
    return n;
  };
  const std::string target = "/v2/a/referrers/" + digest_text(subject);
  const auto all = pages(target);
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(count(all, R"("digest")"), 6U);
  const auto some = pages(target + "?artifactType=application%2Fx%2By");
  EXPECT_EQ(count(some, R"("digest")"), 3U);
  EXPECT_EQ(count(some, R"("other")"), 0U);
  const RawReply none = ask("GET", target + "?artifactType=wrong");
  EXPECT_EQ(none["oci-filters-applied"], "artifactType");
  EXPECT_EQ(count({none.body}, R"("digest")"), 0U);
}

TEST_F(Lists, ReferrersOfWhatIsNotThere) {
  EXPECT_EQ(ask("GET", "/v2/none/referrers/" + digest_text("x")).status, 200);
  EXPECT_EQ(ask("GET", "/v2/none/referrers/sha256:x").status, 400);
}

TEST_F(Lists, LayoutsThatOthersWroteAreServed) {
  server.reset();
  const std::string manifest = image_manifest("{}", "layer");
  const std::string index = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{}","size":{}}}]}})",
      kIndexType, kManifestType, digest_text(manifest), manifest.size());
  const auto directory = options.root / "from/others";
  std::filesystem::create_directories(directory / "blobs/sha256");
  for (const std::string& bytes : {std::string("{}"), std::string("layer"), manifest, index}) {
    std::ofstream(directory / "blobs/sha256" / oci::digest_of(bytes).hex()) << bytes;
  }
  std::ofstream(directory / "oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
  std::ofstream(directory / "index.json") << fmt::format(
      R"({{"schemaVersion":2,"manifests":[{{"mediaType":"{}","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}]}})",
      kIndexType, digest_text(index), index.size());
  start();
  EXPECT_EQ(ask("GET", "/v2/from/others/manifests/v1").body, index);
  // The child is in no index.json, and is a manifest all the same.
  EXPECT_EQ(ask("GET", "/v2/from/others/manifests/" + digest_text(manifest)).body, manifest);
  EXPECT_EQ(put_manifest("from/others", "v2", manifest).status, 201);
  restart();
  EXPECT_EQ(ask("GET", "/v2/from/others/tags/list").body,
            R"({"name":"from/others","tags":["v1","v2"]})");
}

}  // namespace
}  // namespace transship::server

#include "server/tree/tag_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/fixture.h"
#include "server/tree/repository_index.h"

namespace transship::server {
namespace {

Change manifest(std::string_view bytes, std::optional<oci::Digest> subject = std::nullopt) {
  Change out{.kind = Change::Kind::kManifest, .digest = oci::digest_of(bytes)};
  out.media_type = kManifestType;
  out.size = bytes.size();
  out.subject = std::move(subject);
  if (out.subject) out.referrer = R"({"digest":"x","n":"a\"b\\c"})";
  return out;
}
Change tag(std::string_view name, std::string_view bytes) {
  return {.kind = Change::Kind::kTag, .digest = oci::digest_of(bytes), .tag = std::string(name)};
}
Change untag(std::string_view name) {
  return {.kind = Change::Kind::kRemoveTag, .tag = std::string(name)};
}
Change removal(std::string_view bytes) {
  return {.kind = Change::Kind::kRemoveManifest, .digest = oci::digest_of(bytes)};
}

std::string log_of(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) out += encode_record(std::span(&change, 1));
  return out;
}

TEST(TagLog, EndsAtATornRecord) {
  const std::vector<Change> both{manifest("a"), tag("v1", "a")};
  const std::string first = encode_record(both);
  const std::string second = encode_record(both);
  for (std::size_t cut = 0; cut < second.size(); ++cut) {
    int changes = 0;
    const std::string bytes = first + second.substr(0, cut);
    EXPECT_EQ(replay_records(bytes, [&](const Change&) { ++changes; }), first.size());
    EXPECT_EQ(changes, 2);
  }
}

TEST(TagLog, EndsAtADamagedRecord) {
  const std::string record = log_of({manifest("a"), tag("v1", "a")});
  for (std::size_t at = 0; at < record.size(); ++at) {
    std::string bytes = record;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    EXPECT_LT(replay_records(bytes, [](const Change&) {}), record.size()) << at;
  }
  EXPECT_EQ(replay_records(std::string(4096, '\0'), [](const Change&) {}), 0U);
}

TEST(TagLog, MayBeReplayedOnItsOwnEnd) {
  const auto subject = oci::digest_of("a");
  const std::vector<Change> changes{manifest("a"),          tag("v1", "a"), manifest("b", subject),
                                    tag("v1", "b"),         tag("v2", "a"), removal("a"),
                                    manifest("c"),          tag("v3", "c"), untag("v3"),
                                    manifest("d", subject), tag("v4", "d")};
  RepositoryIndex once;
  for (const Change& change : changes) once.apply(change);
  EXPECT_EQ(once.tags().size(), 2U);
  EXPECT_EQ(once.by_tag("v1")->first, oci::digest_of("b"));
  EXPECT_EQ(once.referrers(subject).size(), 2U);
  const std::string printed = print_index_file(once);
  // As after a kill between the rename of index.json and the removal of the log.
  const auto file = parse_index_file(printed);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->complete);
  RepositoryIndex twice;
  for (const Change& change : file->changes) twice.apply(change);
  EXPECT_EQ(print_index_file(twice), printed);
  replay_records(log_of(changes), [&](const Change& change) { twice.apply(change); });
  EXPECT_EQ(print_index_file(twice), printed);
}

TEST(IndexFile, KeepsNamesOfForeignLayouts) {
  RepositoryIndex index;
  index.apply(manifest("a"));
  const std::vector<std::string> names = {"we\"ird", "a\\b", "line\nend", "nul\x01", "\xc3\xa4"};
  for (const std::string& name : names) index.apply(tag(name, "a"));
  const auto file = parse_index_file(print_index_file(index));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->complete);
  RepositoryIndex again;
  for (const Change& change : file->changes) again.apply(change);
  for (const std::string& name : names) EXPECT_NE(again.by_tag(name), nullptr) << name;
}

TEST(IndexFile, ShowsThatAnotherProgramChangedIt) {
  RepositoryIndex index;
  index.apply(manifest("a"));
  index.apply(tag("v1", "a"));
  std::string text = print_index_file(index);
  EXPECT_TRUE(parse_index_file(text)->complete);
  text.replace(text.find("\"v1\""), 4, "\"v2\"");
  EXPECT_FALSE(parse_index_file(text)->complete);
}

TEST_F(ServerTest, FoldsItsLogWhenIdle) {
  options.fold_after = std::chrono::milliseconds(20);
  start();
  push_image("a", "v1");
  const auto log = options.root / "a/_log";
  const auto folding = options.root / "a/_log.folding";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while ((std::filesystem::exists(log) || std::filesystem::exists(folding)) &&
         std::chrono::steady_clock::now() < end) {
    ask("GET", "/v2/");
  }
  EXPECT_FALSE(std::filesystem::exists(log));
  std::ifstream file(options.root / "a/index.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_NE(text.find(R"("org.opencontainers.image.ref.name":"v1")"), std::string::npos);
}

TEST_F(ServerTest, APushCostsTheSameWithManyTags) {
  options.sync = false;
  options.fold_after = std::chrono::hours(1);
  start();
  const std::string manifest = push_image("a", "first");
  const std::string digest = digest_text(manifest);
  const auto log_size = [&] { return std::filesystem::file_size(options.root / "a/_log"); };
  RawClient raw = client();
  const auto put = [&](const std::string& query) {
    EXPECT_EQ(raw.request("PUT", "/v2/a/manifests/" + digest + query, manifest,
                          {{"Content-Type", std::string(kManifestType)}})
                  .status,
              201);
  };
  put("?tag=t-000000");
  const auto before = log_size();
  put("?tag=t-000001");
  const auto of_few = log_size() - before;
  for (int i = 1; i <= 20; ++i) {
    std::string query = "?tag=x";
    for (int k = 0; k < 500; ++k) query += fmt::format("&tag=t-{:06}", i * 1000 + k);
    put(query);
  }
  // What a push writes does not grow with the 10,000 tags that are there.
  const auto full = log_size();
  const auto index_before = std::filesystem::file_size(options.root / "a/index.json");
  put("?tag=u-000001");
  EXPECT_EQ(log_size() - full, of_few);
  EXPECT_EQ(std::filesystem::file_size(options.root / "a/index.json"), index_before);
  restart();
  EXPECT_EQ(ask("GET", "/v2/a/manifests/t-020499").body, manifest);
  EXPECT_FALSE(std::filesystem::exists(options.root / "a/_log"));
}

}  // namespace
}  // namespace transship::server

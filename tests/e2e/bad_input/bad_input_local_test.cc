// What people type, and what the local machine refuses: exit 2 for the one, 1 for the other.
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"
#include "e2e/small_disk.h"

namespace transship::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kImage = "127.0.0.1:1/app:1.0";  // Never asked: what is wrong is seen before.

struct Usage {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<std::string> says;
};

void PrintTo(const Usage& value, std::ostream* out) { *out << value.name; }

std::vector<Usage> usages() {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto from = [](std::string reference) {
    return std::vector<std::string>{"copy", std::move(reference), "127.0.0.1:1/x:1"};
  };
  const auto with = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"copy", kImage, "127.0.0.1:1/x:1"});
    return more;
  };
  return {
      {"Empty", from(""), {"empty", "HOST/REPOSITORY"}},
      {"UpperCase", from("UPPER/app:1"), {"UPPER", "ambiguous"}},
      {"RegistryAlone", from("eu.example.com"), {"without a repository"}},
      {"HexCouldBeAnything", from(std::string(64, 'a')), {"64 hexadecimal"}},
      {"DotDot", from("127.0.0.1:1/../etc:1"), {"\"..\""}},
      {"DotDotInside", from("127.0.0.1:1/a/../b:1"), {"\"..\""}},
      {"DoubleSlash", from("127.0.0.1:1/a//b:1"), {"empty part"}},
      {"Scheme", from("http://127.0.0.1:1/a:1"), {"no scheme", "--plain-http"}},
      {"PortTooHigh", from("127.0.0.1:99999/a:1"), {"127.0.0.1:99999"}},
      {"NoDigest", from("127.0.0.1:1/a@latest"), {"...@latest", "ALGORITHM:HEX"}},
      {"UnknownAlgorithm", from("127.0.0.1:1/a@md5:d41d8cd98f00b204"), {"md5", "sha256"}},
      {"TagWithASpace", from("127.0.0.1:1/a:b c"), {"tag \"b c\""}},
      {"LayoutNameWithDots", from("oci:dir:../../x"), {"no name in a layout"}},
      {"LayoutWithoutADirectory", from("oci:"), {"oci:DIR"}},
      {"AllTagsOfATag", with({"--all-tags"}), {"--all-tags", "app:1.0"}},
      {"TheSameTargetTwice", with({"127.0.0.1:1/x:1"}), {"127.0.0.1:1/x:1", "twice"}},
      {"PlatformWithoutArchitecture", with({"--platform", "linux"}), {"OS/ARCHITECTURE"}},
      {"PlatformToADigest",
       {"copy", kImage, "127.0.0.1:1/x@" + digest, "--platform", "linux/arm64"},
       {"--platform", digest}},
      {"ReferrersEmpty", with({"--referrers", ""}), {"--referrers"}},
      {"MemoryTooSmall", with({"--memory", "1MiB"}), {"--memory", "48.0 MiB"}},
      {"MemoryNoNumber", with({"--memory", "much"}), {"much"}},
      {"ManifestSizeZero", with({"--max-manifest-size", "0"}), {"--max-manifest-size"}},
      {"CaMissing", with({"--ca", "/nowhere/ca.pem"}), {"--ca /nowhere/ca.pem"}},
      {"CertWithoutKey", with({"--cert", "/etc/hostname"}), {"--key"}},
      {"AuthFileMissing", with({"--authfile", "/nowhere/auth"}), {"--authfile /nowhere/auth"}},
      {"DigestFileNowhere", with({"--digest-file", "/nowhere/d"}), {"--digest-file /nowhere/d"}},
      {"ReportNowhere", with({"--report", "/nowhere/r"}), {"--report /nowhere/r"}},
      {"ReportIsADirectory", with({"--report", "/"}), {"--report /", "irectory"}},
      {"DigestFileOfAllTags",
       {"copy", "--all-tags", "--digest-file", "/tmp/d", "127.0.0.1:1/a", "127.0.0.1:1/b"},
       {"--digest-file", "--report"}},
      {"BandwidthNoNumber", with({"--bandwidth", "x"}), {"--bandwidth", "transship copy --help"}},
      {"ConfigIsADirectory", {"config", "check", "/tmp"}, {"/tmp", "irectory"}},
      {"CaIsADirectory", with({"--ca", "/tmp"}), {"--ca /tmp", "irectory"}},
      {"PlainHttpWithAScheme", with({"--plain-http", "http://a"}), {"--plain-http", "HOST:PORT"}},
      {"PlainHttpOfNothing", with({"--plain-http", ""}), {"--plain-http"}},
      {"TokenHostWithAPort", with({"--token-host", "a:1"}), {"--token-host", "without a port"}},
      {"LoginWithAScheme",
       {"login", "https://127.0.0.1:1", "-u", "a", "--password-stdin"},
       {"https://127.0.0.1:1", "HOST:PORT"}},
      {"LoginToARepository", {"login", "127.0.0.1:1/a", "-u", "a"}, {"127.0.0.1:1/a"}},
      {"ServeNowhere", {"serve", "/tmp/x", "--listen", "nonsense"}, {"HOST:PORT"}},
      {"ServeAnonymousReadOfAll", {"serve", "/tmp/x", "--anonymous-read"}, {"--htpasswd"}},
      {"ServeCertWithoutKey", {"serve", "/tmp/x", "--tls-cert", "/etc/hostname"}, {"key"}},
  };
}

class BadUsage : public ::testing::TestWithParam<Usage> {};

TEST_P(BadUsage, IsExitTwoAndSaysWhatToWrite) {
  const Outcome outcome = transship(GetParam().arguments);
  EXPECT_EQ(outcome.code, 2) << shown(outcome);
  EXPECT_EQ(outcome.out, "");
  for (const auto& text : GetParam().says) EXPECT_THAT(outcome.err, HasSubstr(text));
}

INSTANTIATE_TEST_SUITE_P(BadInput, BadUsage, ::testing::ValuesIn(usages()),
                         [](const auto& info) { return info.param.name; });

TEST(BadLocal, EscapesInAReferenceAreNotPrinted) {
  const Outcome outcome = transship({"copy", "ho\x1b[31mst.example/x:1", kImage});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
}

TEST(BadLocal, PasswordsInReferencesAreNotPrinted) {
  const Outcome outcome = transship({"copy", "user:canary@eu.example.com/x:1", kImage});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(shown(outcome), Not(HasSubstr("canary")));
  EXPECT_THAT(outcome.err, HasSubstr("transship login"));
}

TEST(BadLocal, ATargetsDigestMustBeTheSources) {
  BadRegistry source(test::make_image({})), target;
  const std::vector<std::string> plain = {"--plain-http", source.host(), "--plain-http",
                                          target.host()};
  const auto copy_to = [&](const std::string& reference) {
    std::vector<std::string> arguments = {"copy", source.host() + "/app:1.0", reference};
    arguments.insert(arguments.end(), plain.begin(), plain.end());
    return transship(arguments);
  };
  const std::string root = test::make_image({}).root;
  const Outcome wrong = copy_to(target.host() + "/app@sha256:" + std::string(64, '0'));
  EXPECT_EQ(wrong.code, 1) << shown(wrong);
  EXPECT_THAT(wrong.err, HasSubstr(root));
  EXPECT_THAT(target.asked(), ::testing::IsEmpty());
  EXPECT_DONE(copy_to(target.host() + "/app@" + root));
  EXPECT_THAT(target.put_manifests(), ::testing::ElementsAre(root));
}

// A layout with one image, and where its parts are.
class BadLayout : public ::testing::Test {
 protected:
  void SetUp() override {
    BadRegistry source(image_);
    ASSERT_DONE(transship({"copy", source.host() + "/app:1.0", "oci:" + layout_.string() + ":1.0",
                           "--plain-http", source.host()}));
  }

  Outcome copy_out() {
    return transship({"copy", "oci:" + layout_.string() + ":1.0", target_.host() + "/app:1.0",
                      "--plain-http", target_.host()});
  }
  void expect_refused(const std::string& says) {
    const Outcome outcome = copy_out();
    EXPECT_EQ(outcome.code, 1) << shown(outcome);
    EXPECT_THAT(outcome.err, HasSubstr(says));
    EXPECT_THAT(target_.put_manifests(), ::testing::IsEmpty());
    EXPECT_THAT(target_.wrong_blobs(), ::testing::IsEmpty());
  }
  fs::path blob(const std::string& digest) const {
    return layout_ / "blobs" / "sha256" / digest.substr(7);
  }

  const TestContent image_ = test::make_image({});
  TempDir directory_;
  fs::path layout_ = directory_ / "layout";
  BadRegistry target_;
};

TEST_F(BadLayout, ABlobThatIsALinkIsNotFollowed) {
  const fs::path path = blob(test::sha256_of(image_.blobs.back()));
  const std::string elsewhere = directory_.write("secret", image_.blobs.back());
  fs::remove(path);
  fs::create_symlink(elsewhere, path);
  expect_refused("symlink");
}

TEST_F(BadLayout, BlobsThatAreALinkAreNotFollowed) {
  fs::rename(layout_ / "blobs", directory_ / "moved");
  fs::create_symlink(directory_ / "moved", layout_ / "blobs");
  expect_refused("symlink");
}

TEST_F(BadLayout, AnIndexThatIsALinkIsNotFollowed) {
  fs::rename(layout_ / "index.json", directory_ / "moved");
  fs::create_symlink(directory_ / "moved", layout_ / "index.json");
  expect_refused("symlink");
}

TEST_F(BadLayout, NothingIsWrittenThroughALink) {
  const fs::path outside = directory_ / "outside", trap = directory_ / "trap";
  fs::create_directories(outside);
  fs::create_directories(trap);
  directory_.write("trap/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  fs::create_symlink(outside, trap / "blobs");
  const Outcome outcome =
      transship({"copy", "oci:" + layout_.string() + ":1.0", "oci:" + trap.string() + ":1.0"});
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("symlink"));
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(BadLayout, ADigestWithAPathInIt) {
  directory_.write("layout/index.json",
                   R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.)"
                   R"(manifest.v1+json","size":5,"digest":"sha256:../../../etc/passwd",)"
                   R"("annotations":{"org.opencontainers.image.ref.name":"1.0"}}]})");
  expect_refused("index.json");
}

TEST_F(BadLayout, AFlippedBitIsFound) {
  std::string bytes = image_.blobs.back();
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  directory_.write("layout/blobs/sha256/" + test::sha256_of(image_.blobs.back()).substr(7), bytes);
  expect_refused(test::sha256_of(image_.blobs.back()));
}

TEST_F(BadLayout, AllThatIsMissingIsToldAtOnce) {
  std::vector<std::string> digests;
  for (const std::string& bytes : image_.blobs) digests.push_back(test::sha256_of(bytes));
  for (const std::string& digest : digests) fs::remove(blob(digest));
  for (const std::string& digest : digests) expect_refused(digest);
  expect_refused("in all " + std::to_string(digests.size()) + " are missing");
}

struct OddLayout {
  std::string name;
  std::map<std::string, std::string> files;    ///< Written; those without content are removed.
  std::string says_as_source, says_as_target;  ///< Empty: all is well.
};

// What is beside a layout stays as it is; what makes it none is said, and nothing is written there.
TEST_F(BadLayout, OddDirectoriesHaveAClearResult) {
  const std::vector<OddLayout> layouts = {
      {"another version",
       {{"oci-layout", R"({"imageLayoutVersion":"1.1.0"})"}},
       "imageLayoutVersion is \"1.1.0\"",
       "imageLayoutVersion is \"1.1.0\""},
      {"a marker that is none", {{"oci-layout", "<html>"}}, "oci-layout", "oci-layout"},
      // As whoever writes it last has not come so far.
      {"no index.json", {{"index.json", ""}}, "index.json", ""},
      {"an empty index.json", {{"index.json", " "}}, "index.json", "index.json"},
      {"no marker", {{"oci-layout", ""}}, "it has no file oci-layout", ""},
      {"no marker, and more",
       {{"oci-layout", ""}, {"notes", "mine"}},
       "it has no file oci-layout",
       "not empty and not an OCI layout"},
      {"unknown files",
       {{"manifest.json", "[{"},
        {"blobs/sha256/notes", "mine"},
        {"blobs/md5/x", "x"},
        {"ingest/part", "x"}},
       "",
       ""}};
  const fs::path original = directory_ / "original";
  fs::rename(layout_, original);
  for (const OddLayout& odd : layouts) {
    SCOPED_TRACE(odd.name);
    fs::remove_all(layout_);
    fs::copy(original, layout_, fs::copy_options::recursive);
    for (const auto& [name, text] : odd.files) {
      fs::create_directories((layout_ / name).parent_path());
      if (text.empty()) fs::remove(layout_ / name);
      if (!text.empty()) directory_.write("layout/" + name, text);
    }
    if (!odd.says_as_source.empty()) {
      expect_refused(odd.says_as_source);
    } else {
      EXPECT_DONE(copy_out());
    }
    BadRegistry source(test::make_image({.layers = 1, .seed = 2}));
    const Outcome into =
        transship({"copy", source.host() + "/app:1.0", "oci:" + layout_.string() + ":new",
                   "--plain-http", source.host()});
    EXPECT_EQ(into.code == 0, odd.says_as_target.empty()) << shown(into);
    EXPECT_THAT(into.err, HasSubstr(odd.says_as_target));
    for (const auto& [name, text] : odd.files) {
      if (!text.empty() && text != " ") EXPECT_EQ(directory_.read("layout/" + name), text);
      if (!odd.says_as_target.empty()) EXPECT_EQ(fs::exists(layout_ / name), !text.empty());
    }
  }
}

// An index.json that others wrote: one manifest under several names, one name on two manifests.
TEST_F(BadLayout, NamesThatAreSharedOrFullOnes) {
  const TestContent other = test::make_image({.layers = 1, .layer_bytes = 10, .seed = 9});
  for (const auto& bytes : other.blobs) {
    directory_.write("layout/blobs/sha256/" + test::sha256_of(bytes).substr(7), bytes);
  }
  directory_.write("layout/blobs/sha256/" + other.root.substr(7), other.manifests[0].bytes);
  const auto entry = [](const TestContent& of, const std::string& key, const std::string& name) {
    return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" + of.root +
           R"(","size":)" + std::to_string(of.manifests[0].bytes.size()) + R"(,"annotations":{")" +
           key + R"(":")" + name + R"("}})";
  };
  const std::string ref = "org.opencontainers.image.ref.name", full = "io.containerd.image.name";
  directory_.write("layout/index.json",
                   R"({"schemaVersion":2,"manifests":[)" + entry(image_, ref, "a") + "," +
                       entry(image_, ref, "b") + "," + entry(image_, ref, "b") + "," +
                       entry(image_, full, "docker.io/library/app:c") + "," +
                       entry(image_, ref, "two") + "," + entry(other, ref, "two") + "]}");
  const auto copy = [&](const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"copy", "oci:" + layout_.string() + name,
                                          target_.host() + "/app" + (more.empty() ? ":x" : ""),
                                          "--plain-http", target_.host()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return transship(arguments);
  };
  for (const std::string name : {":b", ":c", ":docker.io/library/app:c"}) EXPECT_DONE(copy(name));
  const Outcome unclear = copy(":two");
  EXPECT_EQ(unclear.code, 1) << shown(unclear);
  EXPECT_THAT(unclear.err, HasSubstr("\"two\" names several manifests"));
  EXPECT_THAT(unclear.err, HasSubstr("choose one by digest"));
  const Outcome all = copy("", {"--all-tags"});
  EXPECT_EQ(all.code, 1) << shown(all);
  EXPECT_THAT(all.err, HasSubstr("\"two\" names several manifests"));
  EXPECT_THAT(target_.put_manifests(), ::testing::UnorderedElementsAre("x", "a", "b", "c"));
}

// No part of a file is left under a name that says it is whole.
void expect_no_wrong_file(const fs::path& layout) {
  if (!fs::exists(layout / "blobs" / "sha256")) return;
  for (const auto& entry : fs::directory_iterator(layout / "blobs" / "sha256")) {
    EXPECT_EQ(test::sha256_of(test::read_file(entry.path())),
              "sha256:" + entry.path().filename().string());
  }
}

TEST(BadDisk, AFileThatMayNotGrow) {
  BadRegistry source(test::make_image({.layer_bytes = 300'000}));
  const TempDir directory;
  const fs::path layout = directory / "layout";
  const Home home;
  const Outcome outcome =
      test::run({"/bin/sh", "-c", "ulimit -f 100; exec \"$@\"", "sh", program(), "copy",
                 source.host() + "/app:1.0", "oci:" + layout.string() + ":1.0", "--plain-http",
                 source.host()},
                home.environment());
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr(layout.string()));
  expect_no_wrong_file(layout);
  EXPECT_NE(transship({"inspect", "oci:" + layout.string() + ":1.0"}).code, 0);
}

// A small file system of memory, where one may be mounted.
class SmallDisk {
 public:
  SmallDisk() {
    mounted_ = ::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=400k") == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  fs::path path() const { return directory_.path(); }

 private:
  TempDir directory_;
  bool mounted_ = false;
};

TEST(BadDisk, AFullDiskUnderALayout) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "nothing may be mounted here";
  BadRegistry source(test::make_image({.layer_bytes = 300'000}));
  const fs::path layout = disk.path() / "layout";
  const Outcome outcome =
      transship({"copy", source.host() + "/app:1.0", "oci:" + layout.string() + ":1.0",
                 "--plain-http", source.host()});
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
  EXPECT_THAT(outcome.err, HasSubstr(layout.string()));
  expect_no_wrong_file(layout);
}

TEST(BadDisk, ALayoutThatMayOnlyBeRead) {
  BadRegistry source(test::make_image({.layers = 1})), target;
  BadRegistry newer(test::make_image({.tag = "2.0", .layers = 1, .seed = 2}));
  const TempDir directory;
  const Home home;
  const int code = on_a_small_disk(directory, [&](const std::string& disk) {
    const std::string layout = "oci:" + disk + "/layout";
    const auto copy = [&](const std::string& from, const std::string& to) {
      return transship({"copy", from, to, "--plain-http", source.host(), "--plain-http",
                        newer.host(), "--plain-http", target.host()},
                       home);
    };
    if (copy(source.host() + "/app:1.0", layout + ":1.0").code != 0) return 1;
    const std::string before = test::read_file(disk + "/layout/index.json");
    if (!make_read_only(disk)) return kNoSmallDisk;
    const Outcome refused = copy(newer.host() + "/app:2.0", layout + ":2.0");
    if (refused.code != 1 || !refused.err.contains("Read-only file system")) {
      std::cerr << shown(refused);
      return 2;
    }
    if (!refused.err.contains(disk + "/layout")) return 3;
    if (test::read_file(disk + "/layout/index.json") != before) return 4;
    return copy(layout + ":1.0", target.host() + "/app:1.0").code == 0 ? 0 : 5;
  });
  if (code == kNoSmallDisk) GTEST_SKIP() << "nothing may be mounted here";
  EXPECT_EQ(code, 0);
}

// Two processes make one layout and fill it at once, with blobs in common.
TEST(BadDisk, TwoProcessesThatWriteOneLayoutLoseNothing) {
  constexpr std::size_t kImages = 8;
  const std::string shared = test::seeded_bytes(99, 200'000);
  const auto image = [&](std::size_t writer, std::size_t i) {
    return test::make_image({.tag = "w" + std::to_string(writer) + "-" + std::to_string(i),
                             .layers = 1,
                             .layer_bytes = 3'000,
                             .seed = writer * 100 + i,
                             .first_layers = {shared}});
  };
  const TempDir directory;
  const Home home;
  const fs::path layout = directory / "layout";
  std::vector<std::unique_ptr<BadRegistry>> sources;
  std::vector<std::unique_ptr<Process>> writers;
  for (const std::size_t writer : {1U, 2U}) {
    TestContent content;
    for (std::size_t i = 0; i < kImages; ++i) content.add(image(writer, i));
    sources.push_back(std::make_unique<BadRegistry>(content));
    const std::string name = std::to_string(writer);
    writers.push_back(std::make_unique<Process>(
        Process::Spec{.argv = {program(), "copy", "--all-tags", sources.back()->host() + "/app",
                               "oci:" + layout.string(), "--plain-http", sources.back()->host()},
                      .environment = home.environment(),
                      .output = directory / ("out" + name),
                      .errors = directory / ("err" + name)}));
  }
  for (auto& writer : writers) EXPECT_EQ(writer->wait(std::chrono::seconds(60)), 0);
  expect_no_wrong_file(layout);
  BadRegistry target;
  EXPECT_DONE(transship({"copy", "--all-tags", "oci:" + layout.string(), target.host() + "/app",
                         "--plain-http", target.host()}));
  std::set<std::string> expected;
  for (const std::size_t writer : {1U, 2U}) {
    for (std::size_t i = 0; i < kImages; ++i) expected.insert(image(writer, i).manifests[0].tag);
  }
  EXPECT_EQ(target.put_manifests(), expected);
}

TEST(BadDisk, AFullDiskUnderServe) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "nothing may be mounted here";
  const TempDir output;
  const Home home;
  Process server(
      {.argv = {program(), "serve", (disk.path() / "root").string(), "--listen", "127.0.0.1:0"},
       .environment = home.environment(),
       .output = output / "out",
       .errors = output / "err"});
  const std::string greeting = "listening on http://";
  ASSERT_TRUE(test::eventually([&] { return output.read("out").contains("\n"); }));
  std::string host = output.read("out").substr(greeting.size());
  host.resize(host.find(','));
  BadRegistry source(test::make_image({.layer_bytes = 300'000}));
  const Outcome full = transship(
      {"copy", source.host() + "/app:1.0", host + "/app:1.0", "--plain-http", source.host()});
  EXPECT_EQ(full.code, 1) << shown(full);
  EXPECT_THAT(full.err, HasSubstr("HTTP 507 UNKNOWN: the registry's disk is full"));
  EXPECT_THAT(full.err, HasSubstr("make room at the registry"));
  EXPECT_LT(full.took, std::chrono::seconds(10)) << "a full disk is not asked again and again";
  EXPECT_NE(transship({"inspect", host + "/app:1.0"}).code, 0);
  // What fits is still taken.
  BadRegistry small(test::make_image({.layers = 1, .layer_bytes = 1000, .seed = 2}));
  EXPECT_DONE(transship(
      {"copy", small.host() + "/app:1.0", host + "/small:1.0", "--plain-http", small.host()}));
}

TEST(BadDisk, DirectoriesOfSomebodyElse) {
  if (::geteuid() != 0 || !have("setpriv")) GTEST_SKIP() << "only root can be another user";
  const TempDir directory;
  fs::permissions(directory.path(), fs::perms::owner_all | fs::perms::group_exec |
                                        fs::perms::others_exec | fs::perms::others_read);
  fs::create_directories(directory / "theirs");
  // The program itself may be below a directory that others cannot enter.
  fs::copy_file(program(), directory / "transship");
  const std::string theirs = (directory / "theirs").string();
  const auto as_nobody = [&](std::vector<std::string> arguments) {
    std::vector<std::string> argv = {*test::find_program("setpriv"), "--reuid=65534",
                                     "--regid=65534", "--clear-groups",
                                     (directory / "transship").string()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return test::run(std::move(argv), {{"HOME", "/nonexistent"}});
  };
  const Outcome served = as_nobody({"serve", theirs, "--listen", "127.0.0.1:0"});
  EXPECT_EQ(served.code, 1) << shown(served);
  EXPECT_THAT(served.err, HasSubstr(theirs));
  EXPECT_THAT(served.err, HasSubstr("Permission denied"));
  BadRegistry source(test::make_image({}));
  const Outcome copied = as_nobody({"copy", source.host() + "/app:1.0", "oci:" + theirs + "/l:1",
                                    "--plain-http", source.host()});
  EXPECT_EQ(copied.code, 1) << shown(copied);
  EXPECT_THAT(copied.err, HasSubstr(theirs));
  EXPECT_THAT(copied.err, HasSubstr("Permission denied"));
  EXPECT_TRUE(fs::is_empty(theirs));
}

}  // namespace
}  // namespace transship::e2e

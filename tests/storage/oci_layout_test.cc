#include "storage/oci_layout.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/event.h"
#include "base/task_group.h"
#include "oci/digest.h"
#include "server/server_thread.h"
#include "support/engine/bodies.h"
#include "support/process/process.h"
#include "support/process/temp_dir.h"
#include "support/stores/test_content.h"

namespace transship::storage {
namespace {

using oci::ManifestName;

/// A layout on disk, spoken to by our store, and by other programs.
class OciLayoutTest : public testing::Test {
 protected:
  using Body = std::function<Task<Result<void>>(FileIo&)>;

  void run(const Body& body) {
    const auto result = run_to_end([&]() -> Task<Result<void>> {
      const auto files = make_file_io(co_await current_executor(), pool_);
      co_return co_await body(*files);
    });
    EXPECT_TRUE(result) << result.error().describe();
  }

  Task<Result<std::unique_ptr<OciLayout>>> create(FileIo& files) {
    return OciLayout::create(files, pool_, path());
  }
  Task<Result<std::unique_ptr<OciLayout>>> open(FileIo& files) {
    return OciLayout::open(files, pool_, path());
  }
  std::filesystem::path path() const { return directory_ / "layout"; }

  static Task<Result<void>> push_blob(OciLayout& layout, std::string bytes) {
    const oci::Descriptor blob{.media_type = "application/octet-stream",
                               .digest = oci::digest_of(bytes),
                               .size = bytes.size()};
    TS_CO_TRY(auto start, co_await layout.start_upload(blob, std::nullopt));
    auto* session = std::get_if<oci::UploadSession>(&start);
    if (session == nullptr) co_return Result<void>{};
    test::StringSource body(co_await current_executor(), std::move(bytes));
    co_return co_await layout.upload(*session, blob, body);
  }

  /// All of `content`, in its order.
  static Task<Result<void>> push(OciLayout& layout, const test::TestContent& content) {
    for (const auto& blob : content.blobs) TS_CO_TRY(co_await push_blob(layout, blob));
    for (const auto& one : content.manifests) {
      TS_CO_TRY(const auto manifest, oci::parse_manifest(one.bytes, one.media_type, std::nullopt));
      TS_CO_TRY(co_await layout.put_manifest(one.tag.empty()
                                                 ? ManifestName::by_digest(manifest.digest)
                                                 : ManifestName::by_tag(one.tag),
                                             manifest));
    }
    co_return Result<void>{};
  }

  /// A layout with one image under "1.0".
  test::TestContent make_layout() {
    auto image = test::make_image({});
    run([&](FileIo& files) -> Task<Result<void>> {
      TS_CO_TRY(const auto layout, co_await create(files));
      co_return co_await push(*layout, image);
    });
    return image;
  }

  std::filesystem::path blob_file(const std::string& digest) const {
    return path() / "blobs" / "sha256" / digest.substr(digest.find(':') + 1);
  }

  /// Opening for reading fails so.
  void expect_refused(Errc code) {
    run([&](FileIo& files) -> Task<Result<void>> {
      const auto layout = co_await open(files);
      EXPECT_FALSE(layout);
      if (!layout) EXPECT_EQ(layout.error().code, code) << layout.error().describe();
      co_return Result<void>{};
    });
  }
  /// Reading the image fails so.
  void expect_unreadable(Errc code) {
    run([&](FileIo& files) -> Task<Result<void>> {
      TS_CO_TRY(const auto layout, co_await open(files));
      const auto manifest = co_await layout->manifest(ManifestName::by_tag("1.0"));
      EXPECT_FALSE(manifest);
      if (!manifest) {
        EXPECT_EQ(manifest.error().code, code) << manifest.error().describe();
        EXPECT_NE(manifest.error().message.find(path().string()), std::string::npos);
      }
      co_return Result<void>{};
    });
  }
  void expect_blob_unreadable(const std::string& digest, std::uint64_t size, Errc code) {
    run([&](FileIo& files) -> Task<Result<void>> {
      TS_CO_TRY(const auto layout, co_await open(files));
      const oci::Descriptor blob{
          .media_type = "a/b", .digest = oci::Digest::parse(digest).value(), .size = size};
      test::StringSink sink(co_await current_executor());
      const auto read = co_await layout->blob(blob, {0, size}, sink);
      EXPECT_FALSE(read);
      if (!read) {
        EXPECT_EQ(read.error().code, code) << read.error().describe();
        EXPECT_NE(read.error().message.find(digest), std::string::npos);
      }
      EXPECT_EQ(sink.moved(), 0U);
      co_return Result<void>{};
    });
  }

  test::TempDir directory_;
  WorkerPool pool_{2};
};

TEST_F(OciLayoutTest, WhatIsNoLayoutIsRefused) {
  expect_refused(Errc::kNotFound);
  directory_.write("layout/notes.txt", "mine");
  expect_refused(Errc::kNotFound);
  directory_.write("layout/index.json", R"({"schemaVersion":2,"manifests":[]})");
  directory_.write("layout/oci-layout", R"({"imageLayoutVersion":"1.1.0"})");
  expect_refused(Errc::kUnsupported);
  directory_.write("layout/oci-layout", "<html>");
  expect_refused(Errc::kMalformed);
  directory_.write("layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  directory_.write("layout/index.json", "{}");
  expect_refused(Errc::kMalformed);
  std::filesystem::remove(path() / "index.json");
  expect_refused(Errc::kNotFound);
}

TEST_F(OciLayoutTest, AFullDirectoryIsNotMadeALayout) {
  directory_.write("layout/notes.txt", "mine");
  run([&](FileIo& files) -> Task<Result<void>> {
    const auto layout = co_await create(files);
    EXPECT_FALSE(layout);
    if (!layout) EXPECT_EQ(layout.error().code, Errc::kInvalidArgument);
    EXPECT_FALSE(std::filesystem::exists(path() / "oci-layout"));
    EXPECT_FALSE(std::filesystem::exists(path() / "blobs"));
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, ReadingWritesNothing) {
  const auto image = make_layout();
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await open(files));
    EXPECT_FALSE(co_await push_blob(*layout, "x"));
    TS_CO_TRY(const auto manifest, co_await layout->manifest(ManifestName::by_tag("1.0")));
    EXPECT_FALSE(co_await layout->put_manifest(ManifestName::by_tag("2.0"), manifest));
    EXPECT_EQ(manifest.digest.to_string(), image.root);
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, SymlinksLeadNowhere) {
  const auto image = make_layout();
  const auto& layer = image.blobs.front();
  const std::string digest = test::sha256_of(layer);
  std::filesystem::rename(blob_file(digest), directory_ / "elsewhere");
  std::filesystem::create_symlink(directory_ / "elsewhere", blob_file(digest));
  expect_blob_unreadable(digest, layer.size(), Errc::kUntrusted);

  std::filesystem::rename(blob_file(image.root), directory_ / "manifest");
  std::filesystem::create_symlink(directory_ / "manifest", blob_file(image.root));
  expect_unreadable(Errc::kUntrusted);

  std::filesystem::rename(path() / "blobs", directory_ / "blobs");
  std::filesystem::create_directory_symlink(directory_ / "blobs", path() / "blobs");
  expect_unreadable(Errc::kUntrusted);

  std::filesystem::rename(path() / "index.json", directory_ / "index.json");
  std::filesystem::create_symlink(directory_ / "index.json", path() / "index.json");
  expect_refused(Errc::kUntrusted);
}

TEST_F(OciLayoutTest, AFifoInPlaceOfABlobDoesNotHang) {
  const auto image = make_layout();
  const std::string digest = test::sha256_of(image.blobs.front());
  std::filesystem::remove(blob_file(digest));
  ASSERT_EQ(::mkfifo(blob_file(digest).c_str(), 0644), 0);
  expect_blob_unreadable(digest, image.blobs.front().size(), Errc::kUntrusted);
}

TEST_F(OciLayoutTest, MissingShortAndAlteredContent) {
  const auto image = make_layout();
  const auto& layer = image.blobs.front();
  const std::string digest = test::sha256_of(layer);
  expect_blob_unreadable(digest, layer.size() + 1, Errc::kSizeMismatch);
  std::filesystem::resize_file(blob_file(digest), layer.size() - 1);
  expect_blob_unreadable(digest, layer.size(), Errc::kSizeMismatch);
  std::filesystem::remove(blob_file(digest));
  expect_blob_unreadable(digest, layer.size(), Errc::kNotFound);

  std::string altered = image.manifests.front().bytes;
  altered.back() = ' ';
  directory_.write("layout/blobs/sha256/" + image.root.substr(7), altered);
  expect_unreadable(Errc::kDigestMismatch);
  std::filesystem::remove(blob_file(image.root));
  expect_unreadable(Errc::kNotFound);
}

TEST_F(OciLayoutTest, ABlobOfTheWrongSizeIsReplaced) {
  const auto image = make_layout();
  const std::string digest = test::sha256_of(image.blobs.front());
  std::filesystem::resize_file(blob_file(digest), 3);
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    co_return co_await push_blob(*layout, image.blobs.front());
  });
  EXPECT_EQ(test::read_file(blob_file(digest)), image.blobs.front());
}

TEST_F(OciLayoutTest, NoRoomIsKnownBeforeTheBytesTravel) {
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    const oci::Descriptor huge{
        .media_type = "a/b", .digest = oci::digest_of("huge"), .size = 1ULL << 60U};
    TS_CO_TRY(auto start, co_await layout->start_upload(huge, std::nullopt));
    auto& session = std::get<oci::UploadSession>(start);
    test::StringSource body(co_await current_executor(), "never asked for");
    const auto sent = co_await layout->upload(session, huge, body);
    EXPECT_FALSE(sent);
    if (!sent) EXPECT_EQ(sent.error().code, Errc::kNoSpace) << sent.error().describe();
    EXPECT_EQ(body.moved(), 0U);
    EXPECT_FALSE(std::filesystem::exists(blob_file(huge.digest.to_string())));
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, AFileInTheWayIsNamed) {
  directory_.write("layout", "a file");
  run([&](FileIo& files) -> Task<Result<void>> {
    const auto layout = co_await create(files);
    EXPECT_FALSE(layout);
    if (!layout) {
      EXPECT_EQ(layout.error().code, Errc::kIo) << layout.error().describe();
      EXPECT_NE(layout.error().message.find(path().string()), std::string::npos);
    }
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, UploadLocationsAreOurOwn) {
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    directory_.write("layout/victim", "untouched");
    const std::string hex(64, 'a');
    for (const std::string& location :
         {std::string("victim"), std::string("../layout/victim"), std::string("/etc/passwd"),
          "blobs/sha256/" + hex, std::string("blobs/sha256/../../victim"),
          "blobs/sha256/.upload-" + hex, "blobs/sha256/.upload-" + hex + "-0123456789abcde/",
          std::string()}) {
      oci::UploadSession session{.location = location};
      const auto status = co_await layout->upload_status(session);
      EXPECT_FALSE(status) << location;
      if (!status) EXPECT_EQ(status.error().code, Errc::kUploadUnknown) << location;
      co_await layout->cancel_upload(session);
    }
    EXPECT_EQ(directory_.read("layout/victim"), "untouched");
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, DefaultName) {
  const auto release = test::make_release({}, false);
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    const auto empty = co_await layout->resolve(ManifestName::by_tag(""));
    EXPECT_FALSE(empty);
    if (!empty) EXPECT_EQ(empty.error().code, Errc::kNotFound) << empty.error().describe();
    TS_CO_TRY(co_await push(*layout, release));
    // Evidence and digest tags do not make it unclear.
    TS_CO_TRY(const auto only, co_await layout->resolve(ManifestName::by_tag("")));
    EXPECT_EQ(only.digest.to_string(), release.root);
    TS_CO_TRY(co_await push(*layout, test::make_image({.tag = "2.0", .seed = 77})));
    const auto several = co_await layout->resolve(ManifestName::by_tag(""));
    EXPECT_FALSE(several);
    if (!several) {
      EXPECT_EQ(several.error().code, Errc::kInvalidArgument);
      EXPECT_NE(several.error().message.find("1.0"), std::string::npos);
      EXPECT_NE(several.error().message.find("2.0"), std::string::npos);
    }
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, ReferrersOfRootsAndChildrenAreFoundAfterReopening) {
  const auto release = test::make_release({}, false);
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    co_return co_await push(*layout, release);
  });
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await open(files));
    std::size_t found = 0, expected = 0;
    for (const auto& one : release.manifests) {
      TS_CO_TRY(const auto manifest, oci::parse_manifest(one.bytes, one.media_type, std::nullopt));
      if (manifest.subject) ++expected;
      TS_CO_TRY(const auto list, co_await layout->referrers(manifest.digest));
      for (const auto& referrer : list.manifests) {
        ++found;
        TS_CO_TRY(const auto read,
                  co_await layout->manifest(ManifestName::by_digest(referrer.digest)));
        EXPECT_EQ(read.subject->digest, manifest.digest);
      }
    }
    EXPECT_GE(expected, 3U);
    EXPECT_EQ(found, expected);
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, ManyWritersInOneProcessAndAnotherLoseNothing) {
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto first, co_await create(files));
    TS_CO_TRY(const auto second, co_await create(files));
    TaskGroup group(files.executor());
    auto put = [](OciLayout* layout, std::uint64_t seed) -> Task<Result<void>> {
      co_return co_await push(
          *layout,
          test::make_image(
              {.tag = "v" + std::to_string(seed), .layers = 1, .layer_bytes = 10, .seed = seed}));
    };
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      group.spawn(put(seed % 2 == 0 ? first.get() : second.get(), seed));
    }
    TS_CO_TRY(co_await group.join());
    TS_CO_TRY(const auto tags, co_await first->tags(std::nullopt));
    EXPECT_EQ(tags.tags.size(), 40U);
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, WaitsForAnotherProcessesLockAndCanBeCancelled) {
  const auto image = make_layout();
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    File lock(::open((path() / ".transship-lock").c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
    auto write = [&]() -> Task<Result<void>> {
      TS_CO_TRY(const auto manifest, co_await layout->manifest(ManifestName::by_tag("1.0")));
      TS_CO_TRY(co_await layout->put_manifest(ManifestName::by_tag("again"), manifest));
      co_return Result<void>{};
    };
    const auto waited = co_await with_deadline(std::chrono::milliseconds(60), "put", write());
    EXPECT_FALSE(waited);
    if (!waited) EXPECT_EQ(waited.error().code, Errc::kTimeout) << waited.error().describe();
    lock = File();
    TS_CO_TRY(co_await write());
    TS_CO_TRY(const auto tags, co_await layout->tags(std::nullopt));
    EXPECT_EQ(tags.tags, (std::vector<std::string>{"1.0", "again"}));
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, WrongBytesForADigestAreNotPut) {
  const auto image = make_layout();
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    TS_CO_TRY(auto manifest, co_await layout->manifest(ManifestName::by_tag("1.0")));
    const auto other = oci::digest_of("other");
    EXPECT_FALSE(co_await layout->put_manifest(ManifestName::by_digest(other), manifest));
    manifest.bytes += " ";
    const auto put = co_await layout->put_manifest(ManifestName::by_tag("bad"), manifest);
    EXPECT_FALSE(put);
    if (!put) EXPECT_EQ(put.error().code, Errc::kDigestMismatch);
    co_return Result<void>{};
  });
}

TEST_F(OciLayoutTest, NoTemporaryFilesAreLeft) {
  make_layout();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(!name.starts_with('.') || name == ".transship-lock") << name;
  }
}

// Other programs read what we wrote, to the letter.

TEST_F(OciLayoutTest, SkopeoReadsIt) {
  const auto skopeo = test::find_program("skopeo");
  if (!skopeo) GTEST_SKIP() << "skopeo is not on this machine";
  const auto image = make_layout();
  const auto read = test::run({*skopeo, "inspect", "--raw", "oci:" + path().string() + ":1.0"});
  EXPECT_EQ(read.code, 0) << read.err;
  EXPECT_EQ(read.out, image.manifests.front().bytes);
  const auto copied = test::run({*skopeo, "copy", "oci:" + path().string() + ":1.0",
                                 "dir:" + (directory_ / "copy").string()});
  EXPECT_EQ(copied.code, 0) << copied.err;
}

TEST_F(OciLayoutTest, OrasReadsIt) {
  const auto oras = test::find_program("oras");
  if (!oras) GTEST_SKIP() << "oras is not on this machine";
  const auto image = make_layout();
  const auto read =
      test::run({*oras, "manifest", "fetch", "--oci-layout", path().string() + ":1.0"});
  EXPECT_EQ(read.code, 0) << read.err;
  EXPECT_EQ(read.out, image.manifests.front().bytes);
}

TEST_F(OciLayoutTest, OrasFindsTheReferrers) {
  const auto oras = test::find_program("oras");
  if (!oras) GTEST_SKIP() << "oras is not on this machine";
  const auto release = test::make_release({}, false);
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await create(files));
    co_return co_await push(*layout, release);
  });
  const auto found =
      test::run({*oras, "discover", "--format", "json", "--oci-layout", path().string() + ":1.0"});
  EXPECT_EQ(found.code, 0) << found.err;
  for (const auto& one : release.manifests) {
    const auto manifest = oci::parse_manifest(one.bytes, one.media_type, std::nullopt).value();
    if (!manifest.subject || manifest.subject->digest.to_string() != release.root) continue;
    EXPECT_NE(found.out.find(manifest.digest.to_string()), std::string::npos) << found.out;
  }
}

TEST_F(OciLayoutTest, RegctlReadsIt) {
  const auto regctl = test::find_program("regctl");
  if (!regctl) GTEST_SKIP() << "regctl is not on this machine";
  const auto image = make_layout();
  const auto read = test::run(
      {*regctl, "manifest", "get", "--format", "raw-body", "ocidir://" + path().string() + ":1.0"});
  EXPECT_EQ(read.code, 0) << read.err;
  EXPECT_EQ(read.out, image.manifests.front().bytes);
}

TEST_F(OciLayoutTest, CranePushesIt) {
  const auto crane = test::find_program("crane");
  if (!crane) GTEST_SKIP() << "crane is not on this machine";
  const auto image = make_layout();
  const test::TempDir root;
  auto server = server::ServerThread::start({.root = root.path()});
  ASSERT_TRUE(server) << server.error().describe();
  const std::string reference = (*server)->endpoint().authority() + "/x:1";
  const auto pushed = test::run({*crane, "push", path().string(), reference, "--insecure"});
  EXPECT_EQ(pushed.code, 0) << pushed.err;
  const auto digest = test::run({*crane, "digest", reference, "--insecure"});
  EXPECT_EQ(digest.out, image.root + "\n") << digest.err;
}

// And we read what they write.
TEST_F(OciLayoutTest, ReadsWhatSkopeoWrote) {
  const auto skopeo = test::find_program("skopeo");
  if (!skopeo) GTEST_SKIP() << "skopeo is not on this machine";
  const auto image = make_layout();
  const auto copied =
      test::run({*skopeo, "copy", "--preserve-digests", "oci:" + path().string() + ":1.0",
                 "oci:" + (directory_ / "theirs").string() + ":named:1.0"});
  ASSERT_EQ(copied.code, 0) << copied.err;
  run([&](FileIo& files) -> Task<Result<void>> {
    TS_CO_TRY(const auto layout, co_await OciLayout::open(files, pool_, directory_ / "theirs"));
    for (const char* name : {"named:1.0", "1.0", ""}) {
      TS_CO_TRY(const auto manifest, co_await layout->manifest(ManifestName::by_tag(name)));
      EXPECT_EQ(manifest.digest.to_string(), image.root);
    }
    co_return Result<void>{};
  });
}

}  // namespace
}  // namespace transship::storage

// The floor that transfers are compared with: libcurl alone, GET to ring to PUT for every layer of
// an image, no hash, no checks, one thread.
//
//   relay SOURCE_HOST/REPOSITORY:TAG TARGET_HOST/REPOSITORY:TAG      (plain HTTP)
#include <curl/curl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kRing = 1U << 20U;
constexpr long kBuffer = 512L << 10U;

struct Place {
  std::string base, reference;  // "http://host/v2/repository", tag.

  explicit Place(const std::string& text) {
    const auto slash = text.find('/');
    const auto colon = text.rfind(':');
    base = "http://" + text.substr(0, slash) + "/v2/" + text.substr(slash + 1, colon - slash - 1);
    reference = text.substr(colon + 1);
  }
};

std::size_t append(char* data, std::size_t size, std::size_t n, void* to) {
  static_cast<std::string*>(to)->append(data, size * n);
  return size * n;
}

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "relay: %s\n", what.c_str());
  std::exit(1);
}

std::string get(const std::string& url, curl_slist* headers) {
  std::string body;
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  if (curl_easy_perform(easy) != CURLE_OK) fail("GET " + url);
  curl_easy_cleanup(easy);
  return body;
}

// Opens an upload session; where its PUT goes.
std::string open_upload(const Place& target) {
  CURL* easy = curl_easy_init();
  std::string body;
  curl_easy_setopt(easy, CURLOPT_URL, (target.base + "/blobs/uploads/").c_str());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  if (curl_easy_perform(easy) != CURLE_OK) fail("POST");
  curl_header* location = nullptr;
  if (curl_easy_header(easy, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK) {
    fail("no Location");
  }
  std::string where = location->value;
  if (where.starts_with("/")) where = target.base.substr(0, target.base.find("/v2/")) + where;
  curl_easy_cleanup(easy);
  return where + (where.find('?') == std::string::npos ? "?" : "&");
}

// One blob on its way: a ring between two transfers, each paused while the other must move first.
struct Blob {
  std::vector<char> ring = std::vector<char>(kRing);
  std::size_t written = 0, read = 0;
  bool get_paused = false, put_paused = false;
  CURL *get = nullptr, *put = nullptr;

  static std::size_t on_get(char* data, std::size_t, std::size_t n, void* self) {
    auto& b = *static_cast<Blob*>(self);
    if (kRing - (b.written - b.read) < n) {
      b.get_paused = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    for (std::size_t done = 0; done < n;) {
      const std::size_t at = (b.written + done) % kRing;
      const std::size_t piece = std::min(n - done, kRing - at);
      std::memcpy(b.ring.data() + at, data + done, piece);
      done += piece;
    }
    b.written += n;
    return n;
  }

  static std::size_t on_put(char* data, std::size_t, std::size_t n, void* self) {
    auto& b = *static_cast<Blob*>(self);
    const std::size_t at = b.read % kRing;
    const std::size_t piece = std::min({n, b.written - b.read, kRing - at});
    if (piece == 0) {
      b.put_paused = true;
      return CURL_READFUNC_PAUSE;
    }
    std::memcpy(data, b.ring.data() + at, piece);
    b.read += piece;
    return piece;
  }

  void unpause() {
    if (put_paused && written > read) {
      put_paused = false;
      curl_easy_pause(put, CURLPAUSE_CONT);
    }
    if (get_paused && kRing - (written - read) >= kRing / 2) {
      get_paused = false;
      curl_easy_pause(get, CURLPAUSE_CONT);
    }
  }
};

void start(CURLM* multi, Blob& blob, const Place& source, const Place& target,
           const std::string& digest, curl_off_t size) {
  blob.get = curl_easy_init();
  curl_easy_setopt(blob.get, CURLOPT_URL, (source.base + "/blobs/" + digest).c_str());
  curl_easy_setopt(blob.get, CURLOPT_WRITEFUNCTION, Blob::on_get);
  curl_easy_setopt(blob.get, CURLOPT_WRITEDATA, &blob);
  curl_easy_setopt(blob.get, CURLOPT_BUFFERSIZE, kBuffer);
  blob.put = curl_easy_init();
  curl_easy_setopt(blob.put, CURLOPT_URL, (open_upload(target) + "digest=" + digest).c_str());
  curl_easy_setopt(blob.put, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(blob.put, CURLOPT_READFUNCTION, Blob::on_put);
  curl_easy_setopt(blob.put, CURLOPT_READDATA, &blob);
  curl_easy_setopt(blob.put, CURLOPT_INFILESIZE_LARGE, size);
  curl_easy_setopt(blob.put, CURLOPT_UPLOAD_BUFFERSIZE, kBuffer);
  static curl_slist* no_expect = curl_slist_append(nullptr, "Expect:");
  curl_easy_setopt(blob.put, CURLOPT_HTTPHEADER, no_expect);
  for (CURL* easy : {blob.get, blob.put}) {
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_multi_add_handle(multi, easy);
  }
}

// The layers' digests and sizes, read from the JSON by hand: it is written by this benchmark.
std::vector<std::pair<std::string, curl_off_t>> layers_of(const std::string& manifest) {
  std::vector<std::pair<std::string, curl_off_t>> out;
  for (std::size_t at = 0; (at = manifest.find("sha256:", at)) != std::string::npos; at += 71) {
    const auto size = manifest.find("\"size\":", at);
    out.emplace_back(manifest.substr(at, 71), std::atoll(manifest.c_str() + size + 7));
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) fail("two references, please");
  const Place source(argv[1]), target(argv[2]);
  curl_slist* accept =
      curl_slist_append(nullptr, "Accept: application/vnd.oci.image.manifest.v1+json");
  CURLM* multi = curl_multi_init();
  std::vector<std::unique_ptr<Blob>> blobs;
  for (const auto& [digest, size] :
       layers_of(get(source.base + "/manifests/" + source.reference, accept))) {
    blobs.push_back(std::make_unique<Blob>());
    start(multi, *blobs.back(), source, target, digest, size);
  }
  for (int running = 1; running > 0;) {
    curl_multi_perform(multi, &running);
    for (auto& blob : blobs) blob->unpause();
    curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    for (int left = 0; CURLMsg* message = curl_multi_info_read(multi, &left);) {
      if (message->data.result != CURLE_OK) fail(curl_easy_strerror(message->data.result));
    }
  }
  return 0;
}

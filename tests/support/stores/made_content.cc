#include "support/stores/made_content.h"

#include <openssl/sha.h>

#include <charconv>
#include <cstdio>

namespace transship::test {
namespace {

std::string numbered(const char* before, std::size_t number) {
  char text[32];
  const int n = std::snprintf(text, sizeof text, "%s%05zu", before, number);
  return {text, static_cast<std::size_t>(n)};
}

std::optional<std::size_t> number_in(std::string_view text, char first, std::size_t limit) {
  if (text.size() < 6 || text.front() != first) return std::nullopt;
  std::size_t out = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out >= limit) return std::nullopt;
  return out;
}

std::string descriptor(std::string_view type, std::string_view bytes) {
  std::string out = R"({"mediaType":"application/vnd.oci.image.)";
  out += type;
  out += R"(","digest":")" + made_digest(bytes) + R"(","size":)" + std::to_string(bytes.size());
  return out + "}";
}

}  // namespace

std::string made_digest(std::string_view bytes) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "sha256:";
  for (const unsigned char byte : hash) {
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::string MadeContent::repository(std::size_t number) { return numbered("scale/r", number); }
std::string MadeContent::tag(std::size_t number) { return numbered("v", number); }

std::optional<std::size_t> MadeContent::repository_of(std::string_view name) const {
  return number_in(name.substr(name.rfind('/') + 1), 'r', repositories);
}

std::optional<std::size_t> MadeContent::tag_of(std::string_view text) const {
  return number_in(text, 'v', tags);
}

std::string MadeContent::blob(std::size_t repository, std::size_t tag, std::size_t index) const {
  const std::string name = std::to_string(seed) + "." + std::to_string(repository) + "." +
                           std::to_string(tag) + "." + std::to_string(index);
  if (index == 0) return R"({"os":"linux","architecture":"amd64","made":")" + name + "\"}";
  std::string out = "layer " + name + " ";
  if (out.size() < layer_bytes) out.resize(layer_bytes, '.');
  return out;
}

std::string MadeContent::manifest(std::size_t repository, std::size_t tag) const {
  std::string out =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)";
  out += descriptor("config.v1+json", blob(repository, tag, 0)) + R"(,"layers":[)";
  for (std::size_t i = 1; i <= layers; ++i) {
    if (i > 1) out += ",";
    out += descriptor("layer.v1.tar", blob(repository, tag, i));
  }
  return out + "]}";
}

}  // namespace transship::test

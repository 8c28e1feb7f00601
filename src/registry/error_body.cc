#include "registry/error_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>

#include "base/text.h"
#include "transport/retry_after.h"

namespace transship::registry {

namespace {

namespace json = boost::json;
using transport::Response;

constexpr std::size_t kMaxEntries = 8;

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

ErrorEntry entry_of(const json::object& object) {
  ErrorEntry entry{.code = text_of(object, "code"), .message = text_of(object, "message")};
  if (entry.code.empty()) entry.code = text_of(object, "error");
  if (entry.message.empty()) entry.message = text_of(object, "error_description");
  return entry;
}

bool has_code(const std::vector<ErrorEntry>& entries, std::string_view code) {
  return std::ranges::any_of(entries, [&](const ErrorEntry& e) { return iequals(e.code, code); });
}

bool says(const std::vector<ErrorEntry>& entries, std::string_view word) {
  return std::ranges::any_of(
      entries, [&](const ErrorEntry& e) { return to_lower(e.message).contains(word); });
}

// What kind of failure, and whether another attempt may help.
struct Verdict {
  Errc code;
  bool retryable = false;
};

Verdict judge_400(const Response& response, const std::vector<ErrorEntry>& entries) {
  if (has_code(entries, "MANIFEST_BLOB_UNKNOWN") || has_code(entries, "BLOB_UNKNOWN")) {
    return {Errc::kBlobMissing};
  }
  // The content was damaged on its way: once more from the source.
  if (has_code(entries, "DIGEST_INVALID")) return {Errc::kDigestMismatch, true};
  if (has_code(entries, "TAG_INVALID") || has_code(entries, "TAG_IMMUTABLE")) {
    return {says(entries, "immutable") ? Errc::kConflict : Errc::kHttp};
  }
  if (says(entries, "immutable")) return {Errc::kConflict};
  if (has_code(entries, "UNSUPPORTED")) return {Errc::kUnsupported};
  // S3 behind a registry: an upload that fell asleep.
  if (response.body.contains("<Code>RequestTimeout</Code>")) return {Errc::kTimeout, true};
  return {Errc::kHttp};
}

Verdict judge_404(const std::vector<ErrorEntry>& entries) {
  if (has_code(entries, "BLOB_UPLOAD_UNKNOWN") || has_code(entries, "BLOB_UPLOAD_INVALID")) {
    return {Errc::kUploadUnknown, true};
  }
  if (has_code(entries, "MANIFEST_BLOB_UNKNOWN")) return {Errc::kBlobMissing};
  // Harbor says NOT_FOUND "project x not found".
  if (has_code(entries, "NAME_UNKNOWN") ||
      (has_code(entries, "NOT_FOUND") && says(entries, "project"))) {
    return {Errc::kRepositoryUnknown};
  }
  return {Errc::kNotFound};
}

Verdict judge_405(const Response& response, const std::vector<ErrorEntry>& entries) {
  // ACR: a locked tag.
  if (has_code(entries, "REGISTRY_DISALLOWED_OPERATION")) return {Errc::kConflict};
  // Quay in maintenance.
  if (response.body.contains("is_readonly")) return {Errc::kUnavailable, true};
  return {Errc::kUnsupported};
}

// Codes that tell more than the status that they come with (protocol.md 6.2).
std::optional<Verdict> judge_codes(int status, const std::vector<ErrorEntry>& entries) {
  // 404 with UNKNOWN: registry.redhat.io and Harbor say "not found" so. 409 and 416 have an answer
  // of their own for a session that stands elsewhere.
  constexpr int kOthers[] = {401, 404, 409, 416, 501, 507};
  if (std::ranges::find(kOthers, status) != std::end(kOthers)) return std::nullopt;
  if (has_code(entries, "TOOMANYREQUESTS")) return Verdict{Errc::kRateLimited, true};
  if (has_code(entries, "UNAVAILABLE") || has_code(entries, "UNKNOWN")) {
    return Verdict{Errc::kUnavailable, true};
  }
  if (has_code(entries, "BLOB_UPLOAD_INVALID")) return Verdict{Errc::kUploadUnknown, true};
  return std::nullopt;
}

// A page in place of a registry's answer: something before the registry, which may think better of
// it. Whoever retries does so once (engine's Retry).
bool from_a_firewall(const Response& response, const std::vector<ErrorEntry>& entries) {
  return entries.empty() && !response.body.empty();
}

Verdict judge(const Response& response, const std::vector<ErrorEntry>& entries) {
  if (const auto verdict = judge_codes(response.status, entries)) return *verdict;
  switch (response.status) {
    case 400:
      return judge_400(response, entries);
    case 401:
      return {Errc::kUnauthorized};
    case 403:
      // A signed link to storage that has expired: the registry gives a new one.
      return {Errc::kDenied, response.redirected || from_a_firewall(response, entries)};
    case 404:
      return judge_404(entries);
    case 405:
      return judge_405(response, entries);
    case 406:
    case 415:
    case 501:
      return {Errc::kUnsupported};
    case 409:
      // A session that another request of ours still holds, after its connection broke.
      return {Errc::kConflict, has_code(entries, "BLOB_UPLOAD_INVALID")};
    case 412:
      return {Errc::kConflict};
    case 413:
      return {Errc::kTooLarge};
    case 416:
      return {Errc::kRange};
    case 429:
      return {Errc::kRateLimited, true};
    case 507:
      return {Errc::kNoSpace};
    case 408:
    case 425:
    case 499:
    case 500:
    case 502:
    case 503:
    case 504:
    case 529:
      return {Errc::kUnavailable, true};
    default:
      break;
  }
  if (response.status >= 520 && response.status <= 524) return {Errc::kUnavailable, true};
  return {Errc::kHttp};
}

// GHCR says in words for how long: "retry-after: 880.092µs, allowed: 44000/minute". Hardly ever
// more than a moment, after which it refuses again: a second at least.
std::optional<std::chrono::milliseconds> wait_in_words(const std::vector<ErrorEntry>& entries) {
  constexpr std::string_view kMark = "retry-after:";
  constexpr std::chrono::milliseconds kLeast{1000};
  constexpr double kMost = 86'400;
  for (const ErrorEntry& entry : entries) {
    const std::string said = to_lower(entry.message);
    const std::size_t at = said.find(kMark);
    if (at == std::string::npos) continue;
    const std::string_view text = trim(std::string_view(said).substr(at + kMark.size()));
    double number = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (bad != std::errc{} || !(number >= 0)) continue;
    const std::string_view unit = trim(std::string_view(end, text.data() + text.size()));
    const bool in_seconds = unit.empty() || unit.starts_with('s') || unit.starts_with(',');
    if (!in_seconds) return kLeast;  // ns, us and ms: a moment.
    const auto seconds = std::chrono::duration<double>(std::min(number, kMost));
    return std::max(kLeast, std::chrono::ceil<std::chrono::milliseconds>(seconds));
  }
  return std::nullopt;
}

// What the reader can do where the status alone tells it.
std::string_view hint_of(const Verdict& verdict, const Response& response,
                         const std::vector<ErrorEntry>& entries) {
  if (verdict.code == Errc::kDenied && from_a_firewall(response, entries)) {
    return "this is no registry's answer: a firewall or a proxy before it may have refused it";
  }
  if (verdict.code == Errc::kDenied && !response.redirected) {
    return "the user may not do this here: see transship login, or ask for the right";
  }
  if (verdict.code == Errc::kRepositoryUnknown) {
    return "check the repository's name; some registries say so where the right to see it is "
           "missing";
  }
  if (verdict.code == Errc::kNotFound && response.status == 404 &&
      !has_code(entries, "BLOB_UNKNOWN")) {
    return "check the name; some registries say so where the right to see it is missing";
  }
  if (verdict.code == Errc::kNoSpace) return "make room at the registry, then run again";
  if (response.status == 405) return "is this a registry, and is it not read-only?";
  if (verdict.code == Errc::kRateLimited) return "try later, or log in for a higher limit";
  return "";
}

std::string said(const Response& response, const std::vector<ErrorEntry>& entries) {
  if (!entries.empty()) {
    const ErrorEntry& first = entries.front();
    std::string out = first.code.empty() ? "" : " " + first.code;
    if (!first.message.empty()) out += ": " + first.message;
    if (entries.size() > 1) out += fmt::format(" (and {} more)", entries.size() - 1);
    return printable(redact(out));
  }
  if (response.body.empty()) return "";
  const std::string type = content_type(response);
  if (type == "text/plain") return ": " + printable(redact(trim(response.body)), 120);
  return type.empty() ? "" : fmt::format(" with a body of type {}", printable(type, 60));
}

}  // namespace

std::vector<ErrorEntry> parse_error_body(std::string_view body) {
  std::vector<ErrorEntry> out;
  boost::system::error_code ec;
  const json::value root = json::parse(trim(body), ec);
  if (ec || !root.is_object()) return out;
  const json::object& object = root.get_object();
  if (const json::value* errors = object.if_contains("errors")) {
    if (!errors->is_array()) return out;
    for (const json::value& each : errors->get_array()) {
      if (out.size() == kMaxEntries) break;
      if (each.is_object()) out.push_back(entry_of(each.get_object()));
    }
    return out;
  }
  ErrorEntry entry = entry_of(object);
  if (!entry.code.empty() || !entry.message.empty()) out.push_back(std::move(entry));
  return out;
}

bool has_error_code(const Response& response, std::string_view code) {
  return has_code(parse_error_body(response.body), code);
}

std::string content_type(const Response& response) {
  const auto header = response.headers.find("Content-Type");
  if (!header) return "";
  return to_lower(trim(header->substr(0, header->find(';'))));
}

Error http_error(const Response& response, std::chrono::system_clock::time_point wall) {
  const std::vector<ErrorEntry> entries = parse_error_body(response.body);
  const Verdict verdict = judge(response, entries);
  Error error{.code = verdict.code,
              .message = fmt::format("HTTP {}{}", response.status, said(response, entries)),
              .retryable = verdict.retryable,
              .http_status = response.status,
              .hint = std::string(hint_of(verdict, response, entries))};
  if (response.redirected) {
    error.message += fmt::format(" (from {})", printable(response.final_url.authority(), 120));
  }
  if (const auto header = response.headers.find("Retry-After")) {
    error.retry_after = transport::parse_retry_after(*header, wall);
  } else if (verdict.code == Errc::kRateLimited) {
    error.retry_after = wait_in_words(entries);
  }
  if (response.retry_wait) error.retry_after = response.retry_wait;
  error.host_down = response.host_down;
  return error;
}

}  // namespace transship::registry

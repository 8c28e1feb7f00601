#include "cli/output/json_objects.h"

#include <boost/json/object.hpp>

namespace transship::cli {
namespace json = boost::json;

json::object counts_object(const oci::RequestCounts& c) {
  return {{"total", c.total()},
          {"manifestGet", c.manifest_get},
          {"manifestHead", c.manifest_head},
          {"manifestPut", c.manifest_put},
          {"blobGet", c.blob_get},
          {"blobHead", c.blob_head},
          {"uploadStart", c.upload_start},
          {"mount", c.mount},
          {"uploadData", c.upload_data},
          {"tagList", c.tag_list},
          {"referrers", c.referrers},
          {"token", c.token},
          {"ping", c.ping},
          {"other", c.other}};
}

json::object error_object(const Error& error) {
  json::object out{
      {"code", to_string(error.code)}, {"side", to_string(error.side)}, {"message", error.message}};
  if (error.http_status != 0) out["httpStatus"] = error.http_status;
  if (!error.hint.empty()) out["hint"] = error.hint;
  return out;
}

}  // namespace transship::cli

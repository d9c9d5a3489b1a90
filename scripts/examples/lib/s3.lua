-- Stores that speak S3 (MinIO, R2, B2 …): URLs that are signed for one request (AWS Signature Version 4, in
-- the query). Whoever has such a URL can make that request with it, until it expires.
--
--   local s3 = require "lib.s3"
--   local account = { id = env.S3_ID, secret = env.S3_SECRET, region = "auto" }
--   local place = s3.presigned("PUT", "https://s3.example.com/bucket/a.txt", 60, account)
--   env.STORE:fetch(place, { method = "PUT", body = "Hello" })
local crypto = require "crypto"
local url = require "url"

local s3 = {}

local function signing_key(account, day)
  local key = "AWS4" .. account.secret
  for _, part in ipairs { day, account.region, "s3", "aws4_request" } do
    key = crypto.hmac.sha256(key, part, "raw")
  end
  return key
end

-- `place` is a URL without a query, for `seconds` from now on; at most a week.
function s3.presigned(method, place, seconds, account)
  local parts = assert(url.parse(place))
  local time = os.date "!%Y%m%dT%H%M%SZ"
  local day = time:sub(1, 8)
  local scope = ("%s/%s/s3/aws4_request"):format(day, account.region)
  local query = url.buildQuery {
    ["X-Amz-Algorithm"] = "AWS4-HMAC-SHA256",
    ["X-Amz-Credential"] = account.id .. "/" .. scope,
    ["X-Amz-Date"] = time,
    ["X-Amz-Expires"] = seconds,
    ["X-Amz-SignedHeaders"] = "host",
  }
  local host = parts.host .. (parts.port and ":" .. parts.port or "")
  local request = { method, parts.path, query, "host:" .. host, "", "host", "UNSIGNED-PAYLOAD" }
  local text = { "AWS4-HMAC-SHA256", time, scope, crypto.sha256(table.concat(request, "\n")) }
  local signature = crypto.hmac.sha256(signing_key(account, day), table.concat(text, "\n"))
  return ("%s?%s&X-Amz-Signature=%s"):format(place, query, signature)
end

return s3

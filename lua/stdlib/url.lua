-- url: addresses on the web (RFC 3986), taken apart and put together.
--
--   local u, why = url.parse("https://söhne.test:8443/a%20b?x=1&x=2#top")
--   -- { scheme = "https", host = "xn--shne-5qa.test", port = 8443, path = "/a%20b", query = "x=1&x=2",
--   --   fragment = "top" }
--   local first, all = url.parseQuery(u.query)            -- first.x == "1", all.x = { "1", "2" }
--   url.build { scheme = "https", host = "api.test", path = "/v1", query = { to = "a@b.test" } }
--
-- parse returns nil and the reason for what is no URL. Path, query and fragment stay percent-encoded; user
-- and password are decoded.
local _, native = ...

local check, raise = native.check, native.raise
local byte, char, find, gsub, lower, match, sub =
  string.byte, string.char, string.find, string.gsub, string.lower, string.match, string.sub
local concat = table.concat

local URL_BYTES_MAX = 65536
local HOST_BYTES_MAX = 1024

local default_ports = { http = 80, https = 443, ws = 80, wss = 443, ftp = 21 }

local url = {}

-- --- percent-encoding ------------------------------------------------------------------------------

local function percent(c)
  return ("%%%02X"):format(byte(c))
end

local function unpercent(digits)
  return char(tonumber(digits, 16))
end

-- One component: everything but letters, digits, - . _ ~ is encoded.
function url.encode(text)
  return (gsub(check("url.encode: the text", text, "string"), "[^%w%-._~]", percent))
end

-- What is no percent-encoding stays as it is.
function url.decode(text)
  return (gsub(check("url.decode: the text", text, "string"), "%%(%x%x)", unpercent))
end

-- Encodes what must not stand in a part of a URL, where `kept` may stand too; what is encoded already stays.
local function made_safe(text, kept)
  text = gsub(text, "[^%w%-._~!$&'()*+,;=:@%%" .. kept .. "]", percent)
  return (gsub(text, "%%(.?.?)", function(digits)
    return not find(digits, "^%x%x$") and "%25" .. digits or nil
  end))
end

-- --- hosts -----------------------------------------------------------------------------------------

local function is_ipv4(host)
  local count = 0
  for number in (host .. "."):gmatch("(%d+)%.") do
    count = count + 1
    if #number > 3 or tonumber(number) > 255 or (#number > 1 and byte(number) == 48) then
      return false
    end
  end
  return count == 4 and not find(host, "[^%d.]")
end

local function is_ipv6(host)
  local tail = match(host, ":(%d+%.%d+%.%d+%.%d+)$")
  if tail then
    if not is_ipv4(tail) then
      return false
    end
    host = sub(host, 1, -#tail - 1) .. "0:0"
  end
  local left, right = match(host, "^(.-)::(.*)$")
  if find(host, "[^%x:]") or (right and find(right, "::", 1, true)) then
    return false
  end
  local count = 0
  for _, half in ipairs { left or host, right or "" } do
    for group in (half == "" and "" or half .. ":"):gmatch("([^:]*):") do
      count = count + 1
      if group == "" or #group > 4 then
        return false
      end
    end
  end
  return left and count < 8 or count == 8
end

-- In normal form, or nil and the reason.
local function normal_host(host)
  if #host > HOST_BYTES_MAX then
    return nil, "its host is no domain name"
  end
  local address = match(host, "^%[(.*)%]$")
  if address then
    if not is_ipv6(address) then
      return nil, "its IPv6 address is malformed"
    end
    return lower(host)
  end
  host = gsub(host, "%%(%x%x)", unpercent)
  local last = match(host, "([^.]*)%.?$")
  if find(last, "^%d+$") or find(last, "^0[xX]%x*$") then
    -- What some programs take for a number is nothing but an address.
    return is_ipv4(host) and host or nil, "its IPv4 address is malformed"
  end
  local normal = native.domain_to_ascii(host)
  return normal, "its host is no domain name"
end

-- --- taking apart ----------------------------------------------------------------------------------

-- RFC 3986 appendix B. Absent parts are nil.
local function split(text)
  local parts, rest = {}, text
  local before, fragment = match(rest, "^([^#]*)#(.*)$")
  rest, parts.fragment = before or rest, fragment
  local path, query = match(rest, "^([^?]*)%?(.*)$")
  rest, parts.query = path or rest, query
  local scheme, after = match(rest, "^(%a[%w+.-]*):(.*)$")
  if scheme then
    parts.scheme, rest = lower(scheme), after
  end
  local authority, tail = match(rest, "^//([^/]*)(.*)$")
  parts.authority, parts.path = authority, tail or rest
  return parts
end

-- Fills user, password, host and port from the authority; the reason when it is malformed.
local function read_authority(parts)
  local userinfo, hostport = match(parts.authority, "^(.*)@([^@]*)$")
  hostport = hostport or parts.authority
  if userinfo then
    local user, password = match(userinfo, "^([^:]*):(.*)$")
    parts.user, parts.password = url.decode(user or userinfo), password and url.decode(password)
  end
  local host, port = match(hostport, "^(.-):(%d*)$")
  if not host or (find(host, "^%[") and not find(host, "%]$")) then
    host, port = hostport, nil
  end
  if port and port ~= "" then
    parts.port = tonumber(port)
    if #port > 5 or parts.port > 65535 then
      return "its port is greater than 65535"
    end
  end
  if host == "" then
    parts.host = ""
    return default_ports[parts.scheme] and "it has no host" or nil
  end
  local reason
  parts.host, reason = normal_host(host)
  return not parts.host and reason or nil
end

local function problem_of(text)
  if #text > URL_BYTES_MAX then
    return "it is longer than " .. URL_BYTES_MAX .. " bytes"
  elseif find(text, "[%z\1-\32\127\\<>\"]") then
    return "it has a blank, a control character or one of \\ < > \""
  elseif not native.mime_is_utf8(text) then
    return "it is not UTF-8"
  end
end

function url.parse(text)
  check("url.parse: the text", text, "string")
  text = match(text, "^.*%S", find(text, "%S") or 1) or ""
  local problem = problem_of(text)
  if problem then
    return nil, problem
  end
  local parts = split(text)
  if not parts.scheme then
    return nil, "it has no scheme"
  elseif parts.authority then
    problem = read_authority(parts)
  elseif default_ports[parts.scheme] then
    problem = "it has no host"
  end
  if problem then
    return nil, problem
  end
  if parts.authority and parts.path == "" then
    parts.path = "/"
  end
  parts.authority = nil
  return parts
end

-- --- queries ---------------------------------------------------------------------------------------

local function decode_form(text)
  return (gsub(gsub(text, "+", " "), "%%(%x%x)", unpercent))
end

-- The first value of each name; and all values of each name.
function url.parseQuery(text)
  local first, all = {}, {}
  for pair in check("url.parseQuery: the text", text, "string"):gmatch("[^&]+") do
    local name, value = match(pair, "^([^=]*)=(.*)$")
    name, value = decode_form(name or pair), decode_form(value or "")
    if all[name] then
      all[name][#all[name] + 1] = value
    else
      first[name], all[name] = value, { value }
    end
  end
  return first, all
end

local function add_pair(pairs_, name, value)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    raise(("url.buildQuery: the value of '%s' must be a string, a number, a boolean or a list, got %s")
      :format(name, kind))
  end
  pairs_[#pairs_ + 1] = url.encode(name) .. "=" .. url.encode(tostring(value))
end

-- From { name = value or list of values }, in the order of the names.
function url.buildQuery(values)
  local names, list = {}, {}
  for name in pairs(check("url.buildQuery: the values", values, "table")) do
    names[#names + 1] = check("url.buildQuery: a name", name, "string")
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = values[name]
    for _, item in ipairs(type(value) == "table" and value or { value }) do
      add_pair(list, name, item)
    end
  end
  return concat(list, "&")
end

-- --- putting together ------------------------------------------------------------------------------

local function build_authority(parts, scheme)
  local host = check("url.build: the host", parts.host, "string")
  local normal, reason = host, nil
  if host ~= "" then
    local is_bare_ipv6 = find(host, ":", 1, true) and not find(host, "^%[")
    normal, reason = normal_host(is_bare_ipv6 and "[" .. host .. "]" or host)
  end
  if not normal then
    raise("url.build: " .. gsub(reason, "^its", "the"))
  end
  local port = parts.port
  if port ~= nil and not (type(port) == "number" and port % 1 == 0 and port >= 0 and port <= 65535) then
    raise("url.build: the port must be a number up to 65535")
  end
  local user = ""
  if parts.user then
    user = url.encode(parts.user) .. (parts.password and ":" .. url.encode(parts.password) or "") .. "@"
  end
  local is_usual = port == nil or port == default_ports[scheme]
  return "//" .. user .. normal .. (is_usual and "" or ":" .. port)
end

local function after_mark(mark, text, kept)
  return text and text ~= "" and mark .. made_safe(text, kept) or ""
end

function url.build(parts)
  check("url.build: the parts", parts, "table")
  local scheme = check("url.build: the scheme", parts.scheme, "string")
  if not find(scheme, "^%a[%w+.-]*$") then
    raise("url.build: the scheme must be letters, digits, + . -")
  end
  scheme = lower(scheme)
  local path = made_safe(check("url.build: the path", parts.path or "", "string"), "/")
  local authority = parts.host and build_authority(parts, scheme) or ""
  if authority ~= "" and path ~= "" and byte(path) ~= 47 then
    path = "/" .. path
  elseif authority == "" and find(path, "^//") then
    raise("url.build: a path without a host must not begin with //")
  end
  local query = parts.query
  if type(query) == "table" then
    query = url.buildQuery(query)
  end
  return scheme .. ":" .. authority .. path .. after_mark("?", query, "/?")
    .. after_mark("#", parts.fragment, "/?")
end

-- --- relative references (RFC 3986 section 5.2) ----------------------------------------------------

local function without_dots(path)
  local kept, is_folder = {}, false
  local rooted = byte(path) == 47
  for segment in (gsub(path, "^/", "") .. "/"):gmatch("([^/]*)/") do
    is_folder = segment == "." or segment == ".."
    if segment == ".." then
      kept[#kept] = nil
    elseif segment ~= "." then
      kept[#kept + 1] = segment
    end
  end
  if is_folder then
    kept[#kept + 1] = ""
  end
  return (rooted and "/" or "") .. concat(kept, "/")
end

local function merged(base, path)
  if base.authority and base.path == "" then
    return "/" .. path
  end
  return (match(base.path, "^(.*/)") or "") .. path
end

local function resolve(base, reference)
  local result = { fragment = reference.fragment, query = reference.query }
  if reference.scheme or reference.authority then
    result.scheme = reference.scheme or base.scheme
    result.authority, result.path = reference.authority, without_dots(reference.path)
    return result
  end
  result.scheme, result.authority = base.scheme, base.authority
  if reference.path == "" then
    result.path, result.query = base.path, reference.query or base.query
  elseif byte(reference.path) == 47 then
    result.path = without_dots(reference.path)
  else
    result.path = without_dots(merged(base, reference.path))
  end
  return result
end

-- What `reference` means in a document at `base`; nil and the reason when either is malformed.
function url.join(base, reference)
  check("url.join: the base", base, "string")
  check("url.join: the reference", reference, "string")
  local problem = problem_of(base) or problem_of(reference)
  local from = not problem and split(base)
  if problem or not from.scheme then
    return nil, problem or "it has no scheme"
  end
  local to = resolve(from, split(reference))
  return to.scheme .. ":" .. (to.authority and "//" .. to.authority or "") .. to.path
    .. (to.query and "?" .. to.query or "") .. (to.fragment and "#" .. to.fragment or "")
end

return url

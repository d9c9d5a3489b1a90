-- mime_address: the address fields of a message (RFC 5322 section 3.4), read as broken as they come, and
-- written. For the module mime. One pass: each byte is looked at a bounded number of times.
local _, native = ...

local find, sub, gsub, match = string.find, string.sub, string.gsub, string.match
local concat = table.concat
local words = native.mime_words

local ADDRESSES_MAX = 1000
local VALUE_BYTES_MAX = 256 * 1024

-- --- reading -------------------------------------------------------------------------------------

-- The text of the quoted string at `from`, and where to go on.
local function quoted(value, from)
  local pieces, at = {}, from + 1
  while true do
    local stop = find(value, '["\\]', at)
    if not stop then
      pieces[#pieces + 1] = sub(value, at)
      return concat(pieces), #value + 1
    end
    pieces[#pieces + 1] = sub(value, at, stop - 1)
    if sub(value, stop, stop) == '"' then
      return concat(pieces), stop + 1
    end
    pieces[#pieces + 1] = sub(value, stop + 1, stop + 1)
    at = stop + 2
  end
end

-- The text of the comment at `from`, which may hold others, and where to go on.
local function comment(value, from)
  local depth, at = 1, from + 1
  while depth > 0 do
    local stop = find(value, "[()\\]", at)
    if not stop then
      return sub(value, from + 1), #value + 1
    end
    local c = sub(value, stop, stop)
    at = stop + (c == "\\" and 2 or 1)
    depth = depth + (c == "(" and 1 or c == ")" and -1 or 0)
  end
  return sub(value, from + 1, at - 2), at
end

-- The address within the brackets at `from`, without a source route, and where to go on.
local function bracketed(value, from)
  local stop = find(value, ">", from, true) or #value + 1
  if sub(value, from + 1, from + 1) == '"' then
    local _, after = quoted(value, from + 1)
    stop = find(value, ">", after, true) or #value + 1
  end
  local address = gsub(sub(value, from + 1, stop - 1), "[%s%c]+", "")
  return match(address, "^@[^:]*:(.+)$") or address, stop + 1
end

local function is_address(text)
  return find(text, ".@[^@]", 1) ~= nil
end

-- One element's pieces become { name =, address = }; nil if there is no address in it.
local function element(pieces, address, remark)
  local name = concat(pieces, " ")
  if not address then
    local joined = concat(pieces)
    if not is_address(joined) then
      return nil
    end
    address, name = joined, remark or ""
  elseif name == "" then
    name = remark or ""
  end
  if address == "" then
    return nil
  end
  address = native.mime_is_utf8(address) and address or (native.mime_text(address, 1, #address, "", ""))
  return { name = words(name), address = address }
end

-- The addresses of a field, a list of { name =, address = } in order, those of groups among them; and what
-- was odd, or nil.
local function read(value)
  local list, odd = {}, nil
  local pieces, address, remark = {}, nil, nil
  local at = 1
  if #value > VALUE_BYTES_MAX then
    value, odd = sub(value, 1, VALUE_BYTES_MAX), "a list of addresses is too long"
  end
  local function flush()
    if #pieces > 0 or address then
      list[#list + 1] = element(pieces, address, remark)
      odd = odd or not list[1] and "an address is malformed" or nil
    end
    pieces, address, remark = {}, nil, nil
  end
  while #list < ADDRESSES_MAX do
    at = find(value, "[^%s]", at)
    if not at then
      break
    end
    local c = sub(value, at, at)
    if c == '"' then
      local text
      text, at = quoted(value, at)
      -- A quoted local part is part of an address.
      local is_local = sub(value, at, at) == "@"
      pieces[#pieces + 1] = is_local and '"' .. text .. '"' or text
    elseif c == "(" then
      remark, at = comment(value, at)
    elseif c == "<" then
      address, at = bracketed(value, at)
    elseif c == "," or c == ";" then
      flush()
      at = at + 1
    elseif c == ":" then
      pieces, at = {}, at + 1 -- a group's name
    else
      local stop = c == "[" and find(value, "]", at, true) or find(value, '[%s"(<,;:]', at + 1)
      stop = c == "[" and (stop or at) or (stop or #value + 1) - 1
      pieces[#pieces + 1] = sub(value, at, stop)
      at = stop + 1
    end
  end
  flush()
  return list, odd
end

-- --- writing -------------------------------------------------------------------------------------

local function fail(text)
  native.raise("mime.build: " .. text)
end

local function check_name(name, field)
  if type(name) ~= "string" then
    fail(("the name in %s must be a string, got %s"):format(field, type(name)))
  elseif find(name, "[%z\1-\31\127]") then
    fail(("the name in %s has a line end or another control character"):format(field))
  elseif not native.mime_is_utf8(name) then
    fail(("the name in %s is not UTF-8"):format(field))
  end
  return name
end

local function check_address(address, field)
  if type(address) ~= "string" then
    fail(("an address in %s must be a string, got %s"):format(field, type(address)))
  end
  local is_good = #address <= 254 and native.mime_is_utf8(address)
    and (match(address, '^[^%s%c<>()%[%],;:\\"@]+@[^%s%c<>(),;\\"@]+$')
      or match(address, '^"[^%c"\\]*"@[^%s%c<>(),;\\"@]+$'))
  if not is_good then
    fail(("%s has '%s', which is no address: write \"anna@corp.test\" or { name = \"Anna\", "
      .. "address = \"anna@corp.test\" }"):format(field, (gsub(sub(address, 1, 100), "%c", "?"))))
  end
  return address
end

-- A display name as a header field has it: as it is, quoted, or encoded.
local function phrase(name)
  if find(name, "[\128-\255]") or find(name, "=?", 1, true) then
    return native.mime_encode_words(name)
  elseif find(name, "[^%w !#$%%&'*+/=?^_`{|}~-]") then
    return '"' .. gsub(name, '["\\]', "\\%0") .. '"'
  end
  return name
end

local function write_one(item, field)
  local name, address = "", item
  if type(item) == "table" then
    name, address = item.name or "", item.address
  elseif type(item) == "string" and find(item, "<", 1, true) then
    check_name(item, field)
    local list = read(item)
    if #list ~= 1 then
      fail(("%s has '%s', which is not one address"):format(field, sub(item, 1, 100)))
    end
    name, address = list[1].name, list[1].address
  end
  check_address(address, field)
  check_name(name, field)
  return name == "" and address or phrase(name) .. " <" .. address .. ">"
end

-- The value of a field: an address, or a list of them; each a string or { name =, address = }.
local function write(value, field)
  if type(value) ~= "table" or value.address then
    return write_one(value, field)
  end
  local list = {}
  for i, item in ipairs(value) do
    list[i] = write_one(item, field)
  end
  if #list == 0 then
    fail(field .. " is an empty list")
  end
  return concat(list, ", ")
end

return { read = read, write = write, phrase = phrase }

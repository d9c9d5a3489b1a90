-- mime_field: header fields as they are written (RFC 5322, 2047), for mime_build and mime_edit. All that is
-- given may come from a message: nothing in a field can add another one. Errors are raised in the name of the
-- function that scripts have called.
local _, native = ...

local find, gmatch, gsub, sub = string.find, string.gmatch, string.gsub, string.sub

-- Of a word that stands as it is, such as the URL in List-Unsubscribe; a line has at most 998 bytes.
local WORD_BYTES_MAX = 900

local function has_long_word(value)
  for word in gmatch(value, "%S+") do
    if #word > WORD_BYTES_MAX then
      return true
    end
  end
  return false
end

return function(call)
  local write = {}

  function write.fail(text, ...)
    native.raise(call .. ": " .. text:format(...))
  end

  function write.check(value, kind, what)
    return native.check(call .. ": " .. what, value, kind)
  end

  -- Adds the folded line.
  function write.field(lines, name, value)
    local line = native.mime_field(name, value)
    if not line then
      write.fail("the header %s is longer than 8000 bytes, or has a line end or a word that is too long",
        gsub(sub(name, 1, 80), "%c", "?"))
    end
    lines[#lines + 1] = line
  end

  -- Text for people: in encoded words where it has to be.
  function write.unstructured(lines, name, value)
    write.check(value, "string", name)
    if find(value, "[%z\1-\8\10-\31\127]") then
      write.fail("%s has a line end or another control character", name)
    elseif not native.mime_is_utf8(value) then
      write.fail("%s is not UTF-8", name)
    end
    local must_encode = find(value, "[\128-\255]") or find(value, "=?", 1, true) or has_long_word(value)
    write.field(lines, name, must_encode and native.mime_encode_words(value) or value)
  end

  -- The same for one value or several; numbers are written too.
  function write.values(lines, name, value)
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      write.unstructured(lines, name, type(one) == "number" and tostring(one) or one)
    end
  end

  function write.check_name(name)
    write.check(name, "string", "a header's name")
    if not find(name, "^[!-9;-~]+$") then
      write.fail("'%s' is no header name", (gsub(sub(name, 1, 80), "%c", "?")))
    end
  end

  return write
end

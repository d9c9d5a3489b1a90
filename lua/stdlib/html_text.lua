-- html_text: HTML to text for people to read. For the module html.
--
-- One pass over the tags; what is not closed ends where the text ends. Pieces are gathered in `out`; blanks
-- and line ends are only noted in `gap` and written before the next piece, so that they are never doubled. No
-- pattern here looks at a byte more than a few times: the text is hostile and may be long.
local entities = require "html_entities"

local concat, find, gsub, lower, match, min, max, rep, sub, upper = table.concat, string.find, string.gsub,
  string.lower, string.match, math.min, math.max, string.rep, string.sub, string.upper

local DEPTH_MAX = 10 -- of what indents: lists, quotes
local TAG_BYTES_MAX = 8192 -- of a tag whose attributes are read
local URL_BYTES_MAX = 2000

-- Nothing within them is read: their ends are looked for as they stand.
local skipped = { script = true, style = true, title = true, template = true, noscript = true,
  textarea = true, iframe = true, object = true, svg = true, math = true }

-- 1: on a line of its own; 2: with an empty line around it.
local blocks = {
  p = 2, h1 = 2, h2 = 2, h3 = 2, h4 = 2, h5 = 2, h6 = 2, ul = 2, ol = 2, dl = 2, table = 2, blockquote = 2,
  pre = 2, address = 1, article = 1, aside = 1, body = 1, caption = 1, center = 1, dd = 1, div = 1, dt = 1,
  fieldset = 1, figure = 1, figcaption = 1, footer = 1, form = 1, head = 1, header = 1, hr = 1, html = 1,
  li = 1, main = 1, nav = 1, section = 1, tr = 1,
}

-- --- writing ---------------------------------------------------------------------------------------

-- What ends the line that is written, and an empty one where it is due: quoted if both neighbours are.
local function line_ends(page)
  if not page.is_started then
    return ""
  end
  local marks = gsub(rep("> ", min(page.quotes, page.quotes_before)), " $", "")
  return #page.gap > 1 and "\n" .. marks .. "\n" or "\n"
end

local function write(page, text)
  local out, gap = page.out, page.gap
  if gap ~= " " and gap ~= "" or not page.is_started then
    local depth = #page.lists - (page.bullet and 1 or 0)
    out[#out + 1] = line_ends(page) .. rep("> ", page.quotes) .. rep("  ", depth) .. (page.bullet or "")
    page.bullet, page.quotes_before = nil, page.quotes
  else
    out[#out + 1] = gap
  end
  out[#out + 1] = text
  page.is_started, page.gap = true, ""
end

local function note_lines(page, count)
  if page.gap == " " or #page.gap < count then
    page.gap = rep("\n", count)
  end
end

local function note_blank(page)
  if page.gap == "" then
    page.gap = " "
  end
end

-- At most one empty line in a row.
local function break_line(page)
  page.gap = (page.gap == "" or page.gap == " ") and "\n" or "\n\n"
end

local function trimmed(text)
  local first = find(text, "%S")
  return first and match(text, "^.*%S", first) or ""
end

local function write_preformatted(page, text)
  local is_first = true
  for line in (gsub(text, "\r\n?", "\n") .. "\n"):gmatch("([^\n]*)\n") do
    if not is_first then
      break_line(page)
    end
    is_first = false
    if find(line, "%S") then
      write(page, match(line, "^.*%S"))
    end
  end
end

local function write_text(page, text)
  text = entities.decode(text)
  if page.pre > 0 then
    return write_preformatted(page, text)
  end
  text = gsub(gsub(text, "\194\160", " "), "\226\128\139", "") -- no-break space, zero width space
  text = gsub(text, "[%z\1-\32\127]+", " ")
  if sub(text, 1, 1) == " " then
    note_blank(page)
    text = sub(text, 2)
  end
  if text == "" then
    return
  end
  local is_blank_after = sub(text, -1) == " "
  write(page, is_blank_after and sub(text, 1, -2) or text)
  if is_blank_after then
    note_blank(page)
  end
end

-- --- attributes ------------------------------------------------------------------------------------

-- The value at `at` and where to go on.
local function attribute_value(tag, at)
  local quote = match(tag, "^[\"']", at)
  if not quote then
    return match(tag, "^(%S*)()", at)
  end
  local stop = find(tag, quote, at + 1, true) or #tag + 1
  return sub(tag, at + 1, stop - 1), stop + 1
end

-- `tag` is what stands between a tag's name and its end.
local function attribute(tag, wanted)
  local at = match(tag, "^[%s/]*()")
  while at <= #tag and #tag <= TAG_BYTES_MAX do
    local name, after = match(tag, "^([^%s=/]*)%s*()", at)
    local value
    if sub(tag, after, after) == "=" then
      value, after = attribute_value(tag, match(tag, "^=%s*()", after))
    end
    if lower(name) == wanted then
      return value and entities.decode(value)
    end
    at = match(tag, "^[%s/]*()", after)
  end
end

local function address_of(tag)
  local address = gsub(attribute(tag, "href") or "", "[%z\1-\32\127<>]", "")
  local scheme = match(lower(sub(address, 1, 10)), "^(%a+):")
  local is_known = scheme == "http" or scheme == "https" or scheme == "mailto" or scheme == "tel"
  return is_known and #address <= URL_BYTES_MAX and address or nil
end

-- --- elements --------------------------------------------------------------------------------------

local opened, closed = {}, {}

opened.br = break_line
opened.td, opened.th = note_blank, note_blank

function opened.hr(page)
  write(page, "----")
  note_lines(page, 1)
end

function opened.img(page, tag)
  local text = attribute(tag, "alt")
  if text and find(text, "%S") then
    write_text(page, text)
  end
end

-- The address is left out where it is what the link shows, and where the link shows nothing.
function closed.a(page)
  local link = page.link
  page.link = nil
  local shown = link and trimmed(concat(page.out, "", link.first)) or ""
  if shown == "" then
    return
  end
  local bare = gsub(gsub(link.address, "^%a+:/*", ""), "/$", "")
  if bare ~= gsub(gsub(shown, "^%a+:/*", ""), "/$", "") then
    local gap = page.gap
    page.gap = gap == "" and " " or gap
    write(page, "<" .. link.address .. ">")
    page.gap = gap
  end
end

function opened.a(page, tag)
  closed.a(page)
  local address = address_of(tag)
  page.link = address and { address = address, first = #page.out + 1 }
end

local function open_list(first)
  return function(page)
    if #page.lists < DEPTH_MAX then
      page.lists[#page.lists + 1] = { number = first }
    end
  end
end

local function close_list(page)
  page.lists[#page.lists], page.bullet = nil, nil
end

opened.ul, opened.ol = open_list(nil), open_list(1)
closed.ul, closed.ol = close_list, close_list

function opened.li(page)
  local list = page.lists[#page.lists]
  page.bullet = "* "
  if list and list.number then
    page.bullet, list.number = list.number .. ". ", list.number + 1
  end
end

function closed.li(page)
  page.bullet = nil
end

function opened.blockquote(page)
  page.quotes = min(page.quotes + 1, DEPTH_MAX)
end

function closed.blockquote(page)
  page.quotes = max(page.quotes - 1, 0)
end

function opened.pre(page)
  page.pre = page.pre + 1
end

function closed.pre(page)
  page.pre = max(page.pre - 1, 0)
end

-- --- reading ---------------------------------------------------------------------------------------

-- Where the tag's ">" is, those in quoted values passed over; nil when it does not end.
local function tag_end(text, at)
  while true do
    local stop, _, found = find(text, "([>\"'])", at)
    if not stop or found == ">" then
      return stop
    end
    at = stop + 1
    if find(sub(text, max(stop - 8, 1), stop - 1), "=%s*$") then
      local close = find(text, found, at, true)
      if not close then
        return nil
      end
      at = close + 1
    end
  end
end

-- Where what follows a skipped element begins; the end of the text when it is not closed.
local function after_element(text, name, at)
  local any_case = gsub(name, "%a", function(letter)
    return "[" .. letter .. upper(letter) .. "]"
  end)
  local first = find(text, "</" .. any_case, at)
  local stop = first and find(text, ">", first, true)
  return stop and stop + 1 or #text + 1
end

local function handle(page, name, tag, is_end)
  local lines = blocks[name]
  if lines then
    local closes_list = is_end and (name == "ul" or name == "ol")
    note_lines(page, #page.lists > (closes_list and 1 or 0) and 1 or lines)
  end
  local act = (is_end and closed or opened)[name]
  if act then
    act(page, tag)
  end
end

local function after_plain(text, what, at)
  local _, stop = find(text, what, at, true)
  return (stop or #text) + 1
end

-- Where to go on after the markup at `at`; nil when it is only a "<".
local function read_markup(page, text, at)
  if sub(text, at, at + 3) == "<!--" then
    return after_plain(text, "-->", at + 4)
  elseif match(text, "^<[!?]", at) then
    return after_plain(text, ">", at)
  end
  local slash, name, after = match(text, "^<(/?)(%a%w*)()", at)
  if not name then
    return nil
  end
  local stop = tag_end(text, after)
  if not stop then
    return #text + 1
  end
  name = lower(name)
  if skipped[name] and slash == "" then
    return after_element(text, name, stop + 1)
  end
  handle(page, name, sub(text, after, stop - 1), slash ~= "")
  return stop + 1
end

return function(text)
  local page = { out = {}, gap = "", is_started = false, lists = {}, quotes = 0, pre = 0 }
  local at = 1
  while at <= #text do
    local stop = find(text, "<", at, true) or #text + 1
    if stop > at then
      write_text(page, sub(text, at, stop - 1))
      at = stop
    else
      local after = read_markup(page, text, at)
      if not after then
        write_text(page, "<")
      end
      at = after or at + 1
    end
  end
  closed.a(page)
  return page.is_started and concat(page.out) .. "\n" or ""
end

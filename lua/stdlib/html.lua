-- html: text in HTML and out of it.
--
--   html.escape(name)                 -- & < > " ' as entities
--   html.unescape "J&ouml;rg &#38;"   -- Jörg &
--   html.toText(mail.html)            -- for people: links as text <url>, lists, quotes, tables roughly
--   html.fromText(mail.text)          -- paragraphs and links, nothing of it taken for HTML
--
-- All of these take what comes, and time in proportion to its length.
local _, native = ...
local entities = require "html_entities"
local text_of = require "html_text"

local check = native.check
local concat, find, gsub, match, sub = table.concat, string.find, string.gsub, string.match, string.sub

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local html = {}

function html.escape(text)
  return (gsub(check("html.escape: the text", text, "string"), "[&<>\"']", escapes))
end

-- What is no entity stays as it is.
function html.unescape(text)
  return entities.decode(check("html.unescape: the text", text, "string"))
end

function html.toText(text)
  return text_of(check("html.toText: the HTML", text, "string"))
end

-- --- text to HTML ----------------------------------------------------------------------------------

-- What ends a sentence is no part of the link before it.
local function link(address)
  local target = match(address, "^.*[^.,;:!?)'\"%]]")
  local rest = sub(address, #target + 1)
  target = html.escape(target)
  return '<a href="' .. target .. '">' .. target .. "</a>" .. html.escape(rest)
end

local function with_links(line)
  local pieces, at = {}, 1
  while true do
    local first, last = find(line, "https?://[^%s<>\"]+", at)
    if not first then
      break
    end
    pieces[#pieces + 1] = html.escape(sub(line, at, first - 1))
    pieces[#pieces + 1] = link(sub(line, first, last))
    at = last + 1
  end
  pieces[#pieces + 1] = html.escape(sub(line, at))
  return concat(pieces)
end

-- Blank lines part paragraphs; other line ends stay.
function html.fromText(text)
  text = gsub(check("html.fromText: the text", text, "string"), "\r\n?", "\n")
  local paragraphs, lines = {}, {}
  local function close()
    if #lines > 0 then
      paragraphs[#paragraphs + 1] = "<p>" .. concat(lines, "<br>\n") .. "</p>\n"
      lines = {}
    end
  end
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    if find(line, "%S") then
      lines[#lines + 1] = with_links(line)
    else
      close()
    end
  end
  close()
  return concat(paragraphs)
end

return html

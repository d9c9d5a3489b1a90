-- template: texts with places to fill in; no code in them.
--
--   template.render([[
--     <p>Dear {{customer.name}},</p>
--     {{#each items}}<li>{{title}}: {{@root.currency}} {{price}}</li>{{else}}nothing{{/each}}
--     {{#if paid}}Thank you.{{else}}Please pay.{{/if}}{{! a remark }}
--   ]], { customer = customer, items = items, paid = true })
--
-- {{name}} is escaped for HTML, {{{name}}} is not; template.text escapes nothing, for plain text. Names have
-- dots; {{this}} is the item of an each, {{@index}} counts them from 1, {{@root}} are the values. Within an
-- each, names that the item has not are those around it. nil and false show nothing; for if, "" and the empty
-- list are false too. A line with nothing but a block's begin or end leaves no empty line. Templates are
-- compiled once; errors name line and column.
local _, native = ...

local html = require "html"

local check, raise = native.check, native.raise
local concat, find, match, sub = table.concat, string.find, string.match, string.sub

local CACHE_MAX = 64
local TEMPLATE_BYTES_MAX = 1024 * 1024
local DEPTH_MAX = 50
local OUTPUT_BYTES_MAX = 32 * 1024 * 1024

local template = {}

-- --- reading: a list of pieces, each a text or a table { kind =, … } -------------------------------

local function place(text, at)
  local line, start = 1, 1
  for newline in text:gmatch("()\n") do
    if newline >= at then
      break
    end
    line, start = line + 1, newline + 1
  end
  return line .. ":" .. at - start + 1
end

local function fail(text, at, problem)
  raise(("template:%s: %s"):format(place(text, at), problem))
end

local function path_of(text, at, name)
  if not find(name, "^@?[%w_-]+$") and not find(name, "^@?[%w_-][%w_.-]*[%w_-]$") and name ~= "." then
    fail(text, at, name == "" and "a name is missing" or ("'%s' is no name"):format(sub(name, 1, 50)))
  end
  local path = {}
  for part in name:gmatch("[^.]+") do
    path[#path + 1] = tonumber(part) or part
  end
  if path[1] == "this" or name == "." then
    path[1] = "this"
  end
  path.name, path.at = name, at
  return path
end

-- The tag at `at`: its kind, what stands in it, and where what follows begins.
local function read_tag(text, at)
  local is_raw = sub(text, at, at + 2) == "{{{"
  local closing = is_raw and "}}}" or "}}"
  if sub(text, at, at + 2) == "{{!" then
    local stop = find(text, sub(text, at, at + 4) == "{{!--" and "--}}" or "}}", at, true)
    if not stop then
      fail(text, at, "the remark does not end")
    end
    return "remark", "", find(text, "}}", stop, true) + 2
  end
  local stop = find(text, closing, at, true)
  if not stop then
    fail(text, at, "the tag does not end; " .. closing .. " is missing")
  end
  local body = sub(text, at + #closing, stop - 1)
  local inner = match(body, "^.*%S", find(body, "%S") or 1) or ""
  local kind, rest = match(inner, "^([#/])%s*(.*)$")
  if is_raw then
    kind, rest = "raw", inner
  elseif not kind then
    kind, rest = inner == "else" and "else" or "value", inner
  end
  return kind, rest, stop + #closing
end

-- A block's tag alone on its line takes the line with it: where the tag then begins, and where it ends.
local function without_line(text, at, after)
  local before = at - 1
  while before > 0 and find(sub(text, before, before), "[ \t]") do
    before = before - 1
  end
  local _, line_end = find(text, "^[ \t]*\r?\n", after)
  if not line_end and find(text, "^[ \t]*$", after) then
    line_end = #text
  end
  local is_alone = line_end and (before == 0 or sub(text, before, before) == "\n")
  if is_alone then
    return before + 1, line_end + 1
  end
  return at, after
end

local function open_block(text, at, inner, parent)
  local kind, name = match(inner, "^(%a+)%s+(.*)$")
  if kind ~= "each" and kind ~= "if" and kind ~= "unless" then
    fail(text, at, ("'#%s' is no block; there are #each, #if and #unless"):format(sub(inner, 1, 50)))
  elseif parent.depth == DEPTH_MAX then
    fail(text, at, "blocks are nested too deeply")
  end
  return { kind = kind, path = path_of(text, at, name), at = at, parent = parent, depth = parent.depth + 1,
    body = {} }
end

local function close_block(text, at, name, block)
  local shown_name = sub(name, 1, 50)
  if not block.kind then
    fail(text, at, ("/%s without its #%s"):format(shown_name, shown_name))
  elseif block.kind ~= name then
    fail(text, at, ("/%s where /%s is due, for the block of %s"):format(shown_name, block.kind,
      place(text, block.at)))
  end
  return block.parent
end

local function turn_block(text, at, block)
  if not block.kind or block.otherwise then
    fail(text, at, "an else without its block")
  end
  block.otherwise = {}
  return block
end

local function pieces_of(block)
  return block.otherwise or block.body
end

-- Adds the tag to the block that is open; the block that is open then.
local function take_tag(text, at, kind, inner, block)
  local pieces = pieces_of(block)
  if kind == "#" then
    local inside = open_block(text, at, inner, block)
    pieces[#pieces + 1] = inside
    return inside
  elseif kind == "/" then
    return close_block(text, at, inner, block)
  elseif kind == "else" then
    return turn_block(text, at, block)
  elseif kind ~= "remark" then
    pieces[#pieces + 1] = { kind = kind, path = path_of(text, at, inner) }
  end
  return block
end

local function read(text)
  local block, at = { body = {}, depth = 0 }, 1
  while true do
    local first = find(text, "{{", at, true)
    local pieces = pieces_of(block)
    if not first then
      pieces[#pieces + 1] = sub(text, at)
      break
    end
    local kind, inner, after = read_tag(text, first)
    local last = first
    if kind ~= "value" and kind ~= "raw" then
      last, after = without_line(text, first, after)
    end
    pieces[#pieces + 1] = sub(text, at, math.max(last, at) - 1)
    block, at = take_tag(text, first, kind, inner, block), after
  end
  if block.kind then
    fail(text, block.at, ("the block is not closed; {{/%s}} is missing"):format(block.kind))
  end
  return block.body
end

local compiled = native.remembering(CACHE_MAX, read)

-- --- filling in ------------------------------------------------------------------------------------

-- Of a table, or an object such as the message.
local function field(value, key)
  local kind = type(value)
  if kind == "table" or (kind == "userdata" and value ~= native.json_null) then
    return value[key]
  end
  return nil
end

-- A scope is { this =, index =, outer = }; the outermost one holds the values.
local function lookup(scope, path, fill)
  local first, value = path[1]
  if first == "this" then
    value = scope.this
  elseif first == "@index" then
    value = scope.index
  elseif first == "@root" then
    value = fill.values
  else
    local at = scope
    repeat
      value = field(at.this, first)
      at = at.outer
    until value ~= nil or not at
  end
  for i = 2, #path do
    value = field(value, path[i])
  end
  return value
end

local function add(fill, text)
  fill.bytes = fill.bytes + #text
  if fill.bytes > OUTPUT_BYTES_MAX then
    raise("template: the text is larger than 32 MiB")
  end
  fill.out[#fill.out + 1] = text
end

local function shown(fill, value, path)
  if value == nil or value == false or value == native.json_null then
    return ""
  end
  local kind = type(value)
  local meta = kind == "table" and getmetatable(value)
  local has_text = kind == "string" or kind == "number" or kind == "boolean"
    or (type(meta) == "table" and meta.__tostring)
  if not has_text then
    fail(fill.text, path.at, ("'%s' is a %s, which has no text"):format(path.name, kind))
  end
  return tostring(value)
end

local function is_true(value)
  local is_empty = value == "" or value == native.json_null or (type(value) == "table" and next(value) == nil)
  return value ~= nil and value ~= false and not is_empty
end

local fill_pieces

local function fill_each(fill, block, scope)
  local list = lookup(scope, block.path, fill)
  if list ~= nil and type(list) ~= "table" then
    fail(fill.text, block.at, ("each needs a list; '%s' is a %s"):format(block.path.name, type(list)))
  end
  for index, item in ipairs(list or {}) do
    fill_pieces(fill, block.body, { this = item, index = index, outer = scope })
  end
  if not list or list[1] == nil then
    fill_pieces(fill, block.otherwise or {}, scope)
  end
end

local function fill_piece(fill, piece, scope)
  local kind = piece.kind
  if kind == "each" then
    return fill_each(fill, piece, scope)
  end
  local value = lookup(scope, piece.path, fill)
  if kind == "if" or kind == "unless" then
    local is_body = is_true(value) == (kind == "if")
    return fill_pieces(fill, is_body and piece.body or piece.otherwise or {}, scope)
  end
  local text = shown(fill, value, piece.path)
  add(fill, kind == "value" and fill.escape(text) or text)
end

function fill_pieces(fill, pieces, scope)
  for _, piece in ipairs(pieces) do
    if type(piece) == "string" then
      add(fill, piece)
    else
      fill_piece(fill, piece, scope)
    end
  end
end

local function as_it_is(text)
  return text
end

local function filled(call, text, values, escape)
  check(call .. ": the template", text, "string")
  values = check(call .. ": the values", values or {}, "table")
  if #text > TEMPLATE_BYTES_MAX then
    raise(call .. ": the template is larger than 1 MiB")
  end
  local fill = { text = text, values = values, escape = escape, out = {}, bytes = 0 }
  fill_pieces(fill, compiled(text, text), { this = values })
  return concat(fill.out)
end

-- Values are escaped for HTML.
function template.render(text, values)
  return filled("template.render", text, values, html.escape)
end

-- Values stay as they are: for plain text.
function template.text(text, values)
  return filled("template.text", text, values, as_it_is)
end

-- Raises what is wrong with a template, by line and column.
function template.check(text)
  compiled(check("template.check: the template", text, "string"), text)
end

return template

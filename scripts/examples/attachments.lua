-- Keeps attachments out of mailboxes: they are put to a store that speaks HTTP, and the team gets the text
-- with links to them. Files that are too large are refused, and their sender is told which, and why.
--
--   rules/example.com.yaml:
--     rules: [{to: files@, worker: files}]
--
--   rules/host.yaml:
--     workers:
--       files:
--         script: attachments.lua
--         vars: {TEAM: team@corp.test, URL: "https://files.example.com/mail"}
--         secrets: {TOKEN: {file: /etc/postern/files-token}}
--         fetch: {STORE: {hosts: [files.example.com]}}
--         send: {EMAIL: {from: [files@example.com], to: [team@corp.test]}}
--         limits: {memory: 256MiB, cpu_soft: 1s, cpu_hard: 3s, wall: 5m}
--
--   variables:  TEAM     who gets the mail
--               URL      of the store; PUT <URL>/<folder>/<name> with the token must keep a file there
--               S3_ID    the key's name, if the store speaks S3; then TOKEN is its secret, URL the bucket's
--               REGION   of the bucket (us-east-1); links to it are good for a week
--               MAX      the largest file that is taken, in MiB (10, which is as much as fetch can send)
--
-- The folder's name comes from the token and the content: nobody can guess the link, and when the sender's
-- server has to come again, what it brings is put to the same place.
local crypto = require "crypto"
local html = require "html"
local s3 = require "lib.s3"

local FILES_MAX = 20
local NAME_BYTES_MAX = 80
local MIB = 1024 * 1024
local FETCH_MIB_MAX = 10
local MINUTE_S = 60
local WEEK_S = 7 * 24 * 3600

-- What a browser may show. All else it is to save: a page of a stranger must not run in the store's name.
local SHOWN = {
  ["application/pdf"] = true,
  ["image/gif"] = true,
  ["image/jpeg"] = true,
  ["image/png"] = true,
  ["image/webp"] = true,
  ["text/plain"] = true,
}

-- With letters only that mean nothing to a URL, a shell or a file system. Its end stays: it says what it is.
local function safe_name(filename)
  local name = (filename or ""):gsub("[^%w._-]+", "_"):gsub("^[._-]+", ""):gsub("%.%.+", ".")
  name = name:sub(-NAME_BYTES_MAX)
  return name ~= "" and name or "file"
end

local function size_of(file)
  return ("%.1f MiB"):format(file.size / MIB)
end

-- Where to put what is to be found at `url`, the token for that, and the link for people.
local function ways(url, env)
  if not env.S3_ID then
    return url, "Bearer " .. env.TOKEN, url
  end
  local account = { id = env.S3_ID, secret = env.TOKEN, region = env.REGION or "us-east-1" }
  return s3.presigned("PUT", url, MINUTE_S, account), nil, s3.presigned("GET", url, WEEK_S, account)
end

-- The link to the file.
local function put(file, env)
  local folder = crypto.hmac.sha256(env.TOKEN, file.content, "base32"):sub(1, 24):lower()
  local url, token, link = ways(("%s/%s/%s"):format(env.URL, folder, safe_name(file.filename)), env)
  local answer = env.STORE:fetch(url, {
    method = "PUT",
    headers = {
      Authorization = token,
      ["Content-Type"] = SHOWN[file.type] and file.type or "application/octet-stream",
    },
    body = file.content,
    redirect = "error",
  })
  if not answer.ok then
    error("the store answers " .. answer.status, 0) -- 451: the sender's server keeps the message for now
  end
  return link
end

-- Images within the text stay there; all else is a file.
local function sort(mail)
  local files, images = {}, {}
  for _, part in ipairs(mail.attachments) do
    if part.isInline and part.contentId and mail.html then
      images[#images + 1] = {
        filename = part.filename,
        type = part.type,
        content = part.content,
        contentId = part.contentId,
        disposition = "inline",
      }
    else
      files[#files + 1] = part
    end
  end
  return files, images
end

-- Stores what can be stored; two lists of lines for people.
local function store(files, env)
  local links, refused = {}, {}
  local bytes_max = math.min(tonumber(env.MAX) or FETCH_MIB_MAX, FETCH_MIB_MAX) * MIB
  for _, file in ipairs(files) do
    local name = file.filename or "a file without a name"
    if #links == FILES_MAX then
      refused[#refused + 1] = ("%s: a message may have %d files"):format(name, FILES_MAX)
    elseif file.size > bytes_max then
      refused[#refused + 1] = ("%s (%s): the limit is %d MiB"):format(name, size_of(file), bytes_max / MIB)
    else
      links[#links + 1] = ("%s (%s)\n%s"):format(name, size_of(file), put(file, env))
    end
  end
  return links, refused
end

local function paragraphs(title, lines)
  return #lines > 0 and title .. "\n\n" .. table.concat(lines, "\n\n") .. "\n\n" or ""
end

local function send_to_team(message, env, images, note)
  local mail = message:parse()
  local author = mail.from or { name = "", address = message.from }
  local shown = author.name ~= "" and author.name or author.address
  env.EMAIL:send {
    from = { name = shown .. " via files", email = message.to },
    replyTo = { name = author.name, email = author.address },
    to = env.TEAM or "team@corp.test",
    subject = mail.subject,
    text = (mail.text or "") .. note,
    html = mail.html and mail.html .. "<hr>" .. html.fromText(note),
    attachments = images,
    headers = { ["X-DMARC"] = message.auth.dmarc.result },
  }
end

local SORRY = [[
Thank you for your message. It has been passed on without these files:

%s

Please send us a link to them instead.
]]

local function tell_sender(message, refused)
  local ok, problem = pcall(message.reply, message, { text = SORRY:format(table.concat(refused, "\n")) })
  if not ok then
    log.info("no reply:", problem)
  end
end

return {
  email = function(message, env)
    local files, images = sort(message:parse())
    if #files == 0 then
      return message:forward(env.TEAM or "team@corp.test")
    end

    local links, refused = store(files, env)
    local note = "\n--\n" .. paragraphs("Files:", links) .. paragraphs("Not taken:", refused)
    send_to_team(message, env, images, note)
    log.info(#links, "files stored,", #refused, "refused")
    if #refused > 0 then
      tell_sender(message, refused)
    end
  end,
}

---@meta postern
-- What a worker's script is given: for editors that know LuaLS annotations. A test compares this file with
-- the bindings.

---A message, in its handler. Read-only; of no use to another handler.
---@class Message
---@field from string The reverse-path; "" for bounces.
---@field to string The recipient that a rule sent here.
---@field headers Headers The header fields.
---@field raw string The whole message, byte for byte.
---@field rawSize integer Its length.
---@field canBeForwarded boolean
---@field captures table<string|integer, string> Groups of the rule's pattern, by number and by name.
---@field client Client Who brought it.
---@field auth Auth What was verified about it.
---@field spamScore? number 0 to 5; nil where nothing is scored.
local Message = {}

---Refuses the message: the sender gets `550` with the reason. The last call counts.
---@param reason string
function Message:setReject(reason) end

---Sends the message on, and waits for the upstream's answer.
---@param recipient string
---@param headers? table<string, string|number|(string|number)[]> To be added; only names that start with X-.
---@return Sent
function Message:forward(recipient, headers) end

---Answers the sender, and waits for the upstream's answer.
---@param reply Reply
---@return Sent
function Message:reply(reply) end

---The message as a tree, with its texts and attachments decoded (`mime.parse`). Made once.
---@return Mail
function Message:parse() end

---@class Reply
---@field text? string
---@field html? string
---@field subject? string Default: the subject answered, after "Re: ".
---@field from? string Default: the address that got the message.
---@field to? string Default: the sender; nobody else is allowed.
---@field headers? table<string, string|number|(string|number)[]>
---@field attachments? MailAttachment[] As `mime.build` takes them.
---@field raw? string A whole message, in place of subject, text, html and headers.

---@class Sent
---@field messageId string
---@field queued boolean No next hop has taken it for now; Postern tries again.

---What forward() and reply() raise when they fail. Uncaught, a forward() that an upstream has refused is
---answered to the sender in the upstream's words; any other error is 451, and the sender tries again.
---@class Failure
---@field code string "E_…"
---@field message string For a person.
---@field permanent boolean Whether trying again is of no use.
---@field class? FailureClass What a delivery failed of.
---@field smtp? { code: integer, enhanced: string, text: string } The upstream's reply, if there was one.
---@field call "forward"|"reply"
---@field where string Where in the script it happened: "support.lua:12".

---@alias FailureClass "hard"|"soft"|"quota"|"size"|"policy"|"spam"|"block"|"authentication"|"greylist"
---|"rate"|"dns"|"connection"|"tls"|"protocol"|"loop"|"content"

---Names compare without case; values are unfolded.
---@class Headers
local Headers = {}

---The value; several are joined by ", ". Nil if there is none.
---@param name string
---@return string?
function Headers:get(name) end

---All values, in order.
---@param name string
---@return string[]
function Headers:getAll(name) end

---@param name string
---@return boolean
function Headers:has(name) end

---Every field in order, its name as written: `for name, value in message.headers:each() do`.
---@return fun(): string, string
function Headers:each() end

---@class Client
---@field ip string
---@field helo string
---@field hostname? string The verified reverse name.
---@field tls? string "TLSv1.3"

---@class Auth
---@field spf { result: string, domain?: string, reason?: string }
---@field dkim { result: string, domain?: string, selector?: string, algorithm?: string, reason?: string }[]
---@field dmarc { result: string, domain?: string, policy?: string, reason?: string }
---@field arc { result: string, sealers?: string[], reason?: string }

---The worker's variables from host.yaml. Read-only.
---@class Env
---@field [string] string

---@class Context
local Context = {}

---Runs a function for which the sender does not wait: at the handler's next wait, or after it.
---@param fn fun()
function Context:waitUntil(fn) end

---@alias EmailHandler fun(message: Message, env: Env, ctx: Context)

---@class Worker
---@field email EmailHandler

---Lines for the message's trail, with a level: the module log.
---@type log
log = {}

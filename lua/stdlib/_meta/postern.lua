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
---@param options? ForwardOptions
---@return Sent
function Message:forward(recipient, headers, options) end

---Answers the sender, and waits for the upstream's answer.
---@param reply Reply
---@return Sent
function Message:reply(reply) end

---The message as a tree, with its texts and attachments decoded (`mime.parse`). Made once.
---@return Mail
function Message:parse() end

---What is changed on the way. Subject, Reply-To, List-…, Precedence, Auto-Submitted, Comments, Keywords and
---X-… can be set and removed; all but X-… that the author has not signed only with `rewriteFrom`.
---A message that its author's domain protects by DMARC (quarantine or reject), and that carries no valid
---signature of it, would be taken for a forgery at the next hop: then forward() fails with E_FORWARD_UNSAFE,
---unless one of `rewriteFrom`, `wrap` and `anyway` says what to do.
---@class ForwardOptions
---@field set? table<string, string|number>
---@field remove? string[]
---@field rewriteFrom? boolean|string From becomes `"Anna via support" <support@example.com>`: the address
---that got the message, or this one of its domain. Reply-To becomes the author, where there is none.
---@field wrap? boolean Goes on as an attachment of a message from the address that got it.
---@field anyway? boolean Goes on as it is, whatever the next hop makes of it.

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

---What forward(), reply() and the methods of bindings raise when they fail. Uncaught, a forward() that an
---upstream has refused is answered to the sender in the upstream's words; any other error is 451, and the
---sender tries again.
---@class Failure
---@field code string "E_…"
---@field message string For a person.
---@field permanent boolean Whether trying again is of no use.
---@field class? FailureClass What a delivery failed of.
---@field smtp? { code: integer, enhanced: string, text: string } The upstream's reply, if there was one.
---@field call string "forward", "reply", "TICKETS:get" …
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

---What host.yaml gives the worker: variables (`vars:`) and secrets (`secrets:`) are strings, all else is
---bound under `kv:`, `limiters:`, `send:`, `fetch:` and `queues:`. What is not there is nil. Read-only.
---@class Env
---@field [string] string|KV|Limiter|EmailBinding|Fetcher|QueueBinding

---Values by key, for all workers that have the namespace bound, on all hosts. What put, delete and
---increment have written when they return is on stable storage. A key has 1 to 512 bytes.
---@class KV
local KV = {}

---The value, or nil. As "json" it is decoded.
---@param key string
---@param options? "text"|"json"|{ type: "text"|"json" }
---@return any
function KV:get(key, options) end

---@param key string
---@param options? "text"|"json"|{ type: "text"|"json" }
---@return { value?: any, metadata?: any }
function KV:getWithMetadata(key, options) end

---Replaces the value (at most 25 MiB), its metadata (1024 bytes as JSON) and its time: `expirationTtl` in
---seconds from now, or `expiration` in Unix seconds; without either it stays.
---@param key string
---@param value string|number
---@param options? { expirationTtl: integer, expiration: integer, metadata: any }
function KV:put(key, value, options) end

---@param key string
function KV:delete(key) end

---Adds to a whole number in one step, whoever else does the same, and returns the sum. A key that is not
---there counts as 0; only then the options set its time.
---@param key string
---@param by? integer Default: 1.
---@param options? { expirationTtl: integer, expiration: integer }
---@return integer
function KV:increment(key, by, options) end

---Keys in order, at most 1000 at a time; `cursor` of one list is where the next one goes on.
---@param options? { prefix: string, limit: integer, cursor: string }
---@return KVList
function KV:list(options) end

---@class KVList
---@field keys { name: string, expiration?: integer, metadata?: any }[]
---@field listComplete boolean
---@field cursor? string Unless it is complete.

---A limit of rate: so many in a period for each key. Each of n hosts gives a key an n-th of it, at least one.
---@class Limiter
local Limiter = {}

---@param options { key: string }
---@return { success: boolean }
function Limiter:limit(options) end

---@class EmailBinding
local EmailBinding = {}

---Sends a message of the worker's own; once it returns the message is in the queue. `from` must be an
---address that the binding allows (default: of our domains), each recipient one it may write to (default:
---`destinations:`). What cannot be delivered comes back as a message (see `dsn`) to `returnPath`.
---@param message Email
---@return { messageId: string }
function EmailBinding:send(message) end

---@alias Person string|{ name?: string, email: string }

---@class Email
---@field from? Person Required without raw.
---@field to Person|Person[]
---@field cc? Person|Person[]
---@field bcc? Person|Person[]
---@field replyTo? Person
---@field returnPath? string Where bounces go: an address of the domain of `from`, which is the default.
---@field subject? string
---@field text? string
---@field html? string
---@field headers? table<string, string|number|(string|number)[]>
---@field attachments? EmailAttachment[]
---@field inReplyTo? string "<id@host>"
---@field references? string|string[]
---@field raw? string A whole message, in place of all but `to` and `returnPath`.

---@class EmailAttachment
---@field content string Its bytes.
---@field filename? string
---@field type? string Default: "application/octet-stream".
---@field disposition? "attachment"|"inline"
---@field contentId? string

---HTTP, to the hosts that the binding names.
---@class Fetcher
local Fetcher = {}

---Asks, follows redirects (each to allowed hosts only), and returns the answer whatever its status. Raises
---a Failure with E_FETCH_NOT_ALLOWED, E_FETCH_FAILED, E_FETCH_TIMEOUT or E_FETCH_TOO_LARGE (over 10 MiB).
---@param url string
---@param options? FetchOptions
---@return Response
function Fetcher:fetch(url, options) end

---@class FetchOptions
---@field method? string Default: "GET".
---@field headers? table<string, string|number>
---@field body? string
---@field timeout? number Seconds for all of it, redirects included; at most 30, the default.
---@field redirect? "follow"|"manual"|"error"

---@class Response
---@field status integer
---@field ok boolean 200 to 299.
---@field url string Who answered at last.
---@field redirected boolean
---@field body string
---@field headers ResponseHeaders
local Response = {}

---The body.
---@return string
function Response:text() end

---The body, decoded.
---@return any
function Response:json() end

---Names compare without case.
---@class ResponseHeaders
local ResponseHeaders = {}

---The value; several are joined by ", ". Nil if there is none.
---@param name string
---@return string?
function ResponseHeaders:get(name) end

---@param name string
---@return string[]
function ResponseHeaders:getAll(name) end

---@param name string
---@return boolean
function ResponseHeaders:has(name) end

---Every field in order, its name in lower case: `for name, value in request.headers:each() do`.
---@return fun(): string, string
function ResponseHeaders:each() end

---A queue, whose messages another worker's handler `queue` gets. Bodies are nil, booleans, numbers, strings
---of any bytes, and tables of these; each has at most 128 KiB.
---@class QueueBinding
local QueueBinding = {}

---Sends a message. When it returns, the message is on stable storage. Raises a Failure with E_QUEUE_FULL when
---too many messages wait, E_STORE when nothing can be written.
---@param body any
---@param options? { delaySeconds: integer } How long it is not handed out, at most 86400.
function QueueBinding:send(body, options) end

---Sends up to 100 messages with bodies of 256 KiB together: all of them, or none.
---@param messages { body: any, delaySeconds?: integer }[]
---@param options? { delaySeconds: integer } For those that say none.
function QueueBinding:sendBatch(messages, options) end

---@class Context
local Context = {}

---Runs a function for which the sender does not wait: at the handler's next wait, or after it.
---@param fn fun()
function Context:waitUntil(fn) end

---How long the handler may still take (its wall time), in milliseconds; `ctx.remaining_ms()` is the same.
---@return integer
function Context:remaining_ms() end

---A time of the worker's `cron:` has come.
---@class ScheduledEvent
---@field cron string The line of host.yaml: "0 7 * * *".
---@field scheduledTime integer When it was due, in milliseconds since 1970.

---Somebody has asked for a URL of the worker (`url:` in host.yaml). All of it is what a stranger has written.
---@class Request
---@field method string "GET", "POST" …
---@field url string "https://hooks.example.com/hooks/github?x=1"
---@field path string "/hooks/github", percent-encoded as it came.
---@field query table<string, string> The first value of each name, decoded.
---@field queryString string As it came: "x=1"; `url.parseQuery` gives all values.
---@field headers ResponseHeaders
---@field body string "" when there is none.
---@field client { ip: string } Who has asked; behind a trusted proxy, whom that names.
local Request = {}

---The body.
---@return string
function Request:text() end

---The body, decoded. Raises an error when it is no JSON.
---@return any
function Request:json() end

---What a `fetch` handler returns. A string is a body; nothing is status 204.
---@class HttpResponse
---@field status? integer 200 to 599; default: 200.
---@field headers? table<string, string|number|(string|number)[]> A list is a field for each of its values.
---What is about the connection (Content-Length, Date …) is the server's.
---@field body? string At most 10 MiB; text/plain unless a header says otherwise.
---@field json? any In place of body: encoded, as application/json.

---@alias FetchHandler fun(request: Request, env: Env, ctx: Context): HttpResponse|string|nil

---Messages of a queue that the worker consumes. When the handler returns, those about which nothing was said
---are acked; when it raises an error, retried. What was said holds in either case, whatever becomes of the
---handler.
---@class MessageBatch
---@field queue string Its name.
---@field messages QueueMessage[]
local MessageBatch = {}

---Of all messages about which nothing else is said: they are done with.
function MessageBatch:ackAll() end

---The same: they are tried again, as often as `max_retries` allows.
---@param options? { delaySeconds: number } Before that; default: `retry_delay`.
function MessageBatch:retryAll(options) end

---@class QueueMessage
---@field id string
---@field timestamp integer When it was sent, in milliseconds since 1970.
---@field attempts integer 1 for the first time that it is handed out.
---@field body any As it was sent.
local QueueMessage = {}

---It is done with, whatever is said later or becomes of the handler.
function QueueMessage:ack() end

---It is tried again, unless it was acked. After `max_retries` times it goes to the dead letter queue.
---@param options? { delaySeconds: number } Before that; default: `retry_delay`.
function QueueMessage:retry(options) end

---@alias EmailHandler fun(message: Message, env: Env, ctx: Context)
---@alias ScheduledHandler fun(event: ScheduledEvent, env: Env, ctx: Context)
---@alias QueueHandler fun(batch: MessageBatch, env: Env, ctx: Context)

---What a script returns: one of these at least.
---@class Worker
---@field email? EmailHandler
---@field scheduled? ScheduledHandler
---@field fetch? FetchHandler
---@field queue? QueueHandler

---Lines for the message's trail, with a level: the module log.
---@type log
log = {}

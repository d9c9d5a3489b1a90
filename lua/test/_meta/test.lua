---@meta test
-- What a *_test.lua file is given by `postern test`, beside all that a worker's script has.

---A block of tests; blocks may stand in blocks.
---@param name string
---@param tests fun()
function describe(name, tests) end

---A test. Without a function it is one yet to be written.
---@param name string
---@param test? fun()
function it(name, test) end

---@param name string
function pending(name) end

---Runs before each test of the block, and of those in it.
---@param fn fun()
function before_each(fn) end

---Runs after each test of the block, and of those in it, even if it has failed.
---@param fn fun()
function after_each(fn) end

---The script NAME.lua beside the test. Each test has it afresh.
---@param name string
---@return WorkerUnderTest
function load_worker(name) end

---@class WorkerUnderTest
local WorkerUnderTest = {}

---Gives it a message as in service, but that nothing leaves, and waits until it is done with it, waitUntil
---functions included.
---@param message FakeMessage
---@param options? EmailOptions
---@return EmailResult
function WorkerUnderTest:email(message, options) end

---A time of its `cron:` has come: the same, for its `scheduled` handler.
---@param event? { cron?: string, scheduledTime?: integer } Else any minute's line, and the present minute.
---@param options? EmailOptions
---@return ScheduledResult
function WorkerUnderTest:scheduled(event, options) end

---A batch of a queue has come: the same, for its `queue` handler.
---@param batch FakeBatch
---@param options? EmailOptions
---@return QueueResult
function WorkerUnderTest:queue(batch, options) end

---An HTTP request for its `fetch` handler: the same; result.response is what its client gets.
---@param request FakeRequest
---@param options? EmailOptions
---@return FetchResult
function WorkerUnderTest:fetch(request, options) end

---@class FakeRequest
---@field url string "/hooks/x?y=1", or with its host: "https://hooks.example.com/x".
---@field method? string Default: "GET".
---@field headers? table<string, string>
---@field body? string
---@field ip? string Of the client; default: "127.0.0.1".

---As that of a time of a schedule, and the response.
---@class FetchResult : ScheduledResult
---@field response TestResponse

---@class TestResponse
---@field status integer 500 or 503 when the handler has failed.
---@field headers ResponseHeaders
---@field body string
local TestResponse = {}

---The body, decoded.
---@return any
function TestResponse:json() end

---@class EmailOptions
---@field env? table<string, string|number|boolean|FakeBinding> The worker's variables and bindings.
---@field upstream? table<string, string> What the next hop of an address says: "550 5.1.1 gone".

---@class EmailResult
---@field outcome "ok"|"rejected"|"exception"|"exceededCpu"|"exceededMemory"|"exceededWallTime"|"crashed"
---@field reply { code: integer, enhanced: string, text: string } What the sender is told.
---@field forwards TestForward[] In order; those that were refused, too.
---@field replies TestSent[]
---@field sends TestSent[] By a send binding, one for each recipient.
---@field fetches TestFetch[] What fetch bindings were asked for, answered or not.
---@field queued TestQueued[] What was sent to queues.
---@field rejectReason? string
---@field error? string "support.lua:12: …"
---@field traceback? string
---@field logs { level: string, text: string }[]
---@field kv table<string, table<string, string>> What is in each KV namespace now: result.kv.TICKETS["17"].
---@field cpuUs number

---As that of a message.
---@class ScheduledResult
---@field outcome "ok"|"exception"|"exceededCpu"|"exceededMemory"|"exceededWallTime"|"crashed"
---@field sends TestSent[]
---@field fetches TestFetch[]
---@field queued TestQueued[]
---@field error? string
---@field traceback? string
---@field logs { level: string, text: string }[]
---@field kv table<string, table<string, string>>
---@field cpuUs number

---@class FakeBatch
---@field messages { body: any, attempts?: integer, id?: string, timestamp?: integer }[]
---@field queue? string Its name.

---As that of a time of a schedule, and what becomes of each message.
---@class QueueResult : ScheduledResult
---@field messages { id: string, result: "ack"|"retry", delaySeconds?: number }[]

---@class TestQueued
---@field binding string
---@field queue string
---@field body any As JSON has it.
---@field delaySeconds integer

---@class TestFetch
---@field binding string
---@field method string
---@field url string
---@field headers table<string, string>
---@field body string

---With what `mime.parse` finds in it, but for its headers.
---@class TestForward
---@field to string
---@field headers table<string, string> That were added on top.
---@field set? table<string, string> Fields that are new or have another value; From, if it was rewritten.
---@field removed? string[] Fields that are gone.
---@field wrapped boolean Whether it went as an attachment; then it has neither `set` nor `removed`.
---@field raw string Without what was added on top.
---@field upstream? { code: integer, enhanced: string, text: string } As the test has had it say.

---With what `mime.parse` finds in it: subject, text, headers …
---@class TestSent : Mail
---@field to string The envelope's recipient.
---@field returnPath? string The envelope's sender, of what is no reply.
---@field raw string
---@field upstream? { code: integer, enhanced: string, text: string } As the test has had it say.

---@class fake
fake = {}

---A message; what is not given is made up, and passes every check.
---@param fields? FakeFields
---@return FakeMessage
function fake.message(fields) end

---Sets the clock of this test, of its workers and of their KV, which stands still then.
---@param seconds? number Since 1970; nil: the clock runs.
function fake.now(seconds) end

---A KV namespace in memory, with these pairs in it at first. The same object is the same namespace in all
---messages of a test, for all its workers.
---@param values? table<string, string|number|{ value: string|number, metadata?: any }>
---@return FakeBinding
function fake.kv(values) end

---A limiter, as host.yaml describes one. Its time is the real one, whatever fake.now says.
---@param options { limit: integer, period: number } So many calls in so many seconds, for each key.
---@return FakeBinding
function fake.limiter(options) end

---A binding to send messages of the worker's own, to anybody in any name; they are in result.sends.
---@return FakeBinding
function fake.send() end

---A queue to send to; what is sent is in result.queued, and nobody handles it.
---@param name? string
---@return FakeBinding
function fake.queue(name) end

---A binding that fetches: each URL ("https://…", or "POST https://…") with what it is answered. What has no
---answer here fails; what was asked is in result.fetches.
---@param answers? table<string, string|{ status?: integer, headers?: table<string, string>, body?: string }>
---@return FakeBinding
function fake.fetch(answers) end

---@class FakeBinding

---@class FakeMessage

---@class FakeFields
---@field from? string The reverse-path, and the From field if headers have none. "" for bounces.
---@field to? string The recipient.
---@field subject? string
---@field text? string
---@field html? string
---@field attachments? MailAttachment[]
---@field headers? table<string, string|string[]>
---@field raw? string A whole message, in place of subject to headers.
---@field auth? table<"spf"|"dkim"|"dmarc"|"arc", string>|false Results; false: nothing was verified.
---@field spamScore? number 0 to 5
---@field captures? table<string|integer, string|number>
---@field client? { ip?: string, helo?: string, hostname?: string, tls?: string }

---assert(value, why), as ever, and:
---@class assert
---@operator call: any
assert = {}

---@param expected any
---@param actual any
---@param why? string
function assert.equal(expected, actual, why) end

---@param unexpected any
---@param actual any
---@param why? string
function assert.not_equal(unexpected, actual, why) end

---Tables are compared in depth.
---@param expected any
---@param actual any
---@param why? string
function assert.same(expected, actual, why) end

---@param unexpected any
---@param actual any
---@param why? string
function assert.not_same(unexpected, actual, why) end

---@param value any
---@param why? string
function assert.is_true(value, why) end

---@param value any
---@param why? string
function assert.is_false(value, why) end

---@param value any
---@param why? string
function assert.is_nil(value, why) end

---@param value any
---@param why? string
function assert.is_not_nil(value, why) end

---@param pattern string A Lua pattern.
---@param text string
---@param why? string
function assert.matches(pattern, text, why) end

---@param pattern string A Lua pattern.
---@param text string
---@param why? string
function assert.not_matches(pattern, text, why) end

---@param part any A text, or an item.
---@param whole string|any[]
---@param why? string
function assert.contains(part, whole, why) end

---@param fn fun()
---@param text? string That the error must contain.
---@param why? string
function assert.has_error(fn, text, why) end

---@param fn fun()
---@param why? string
function assert.has_no_error(fn, why) end

---@meta dsn
-- What mail systems report: bounces, delays, deliveries, complaints. Anybody can write a report: act on those
-- whose messageId is one that you have sent.

---@class Report
---@field kind "bounce"|"delay"|"delivery"|"feedback"
---@field recipients ReportedRecipient[]
---@field messageId? string Of the message reported on.
---@field original? Mail That message, or its header, as far as the report carries it.
---@field reportingMta? string
---@field envelopeId? string
---@field feedback? Complaint

---@class ReportedRecipient
---@field address string As the sender wrote it.
---@field finalAddress? string As it was when it failed.
---@field action string "failed", "delayed", "delivered", "relayed", "expanded".
---@field status? string "5.1.1"
---@field diagnostic string "" if there is none.
---@field remoteMta? string
---@field class? string Of a failure: "hard", "soft", "quota", "size", "policy", "spam", "block",
---"authentication", "greylist", "rate", "dns", "connection", "tls", "protocol", "loop", "content".
---@field isPermanent boolean
---@field isHard boolean The address itself is no good.

---@class Complaint
---@field type string "abuse", "fraud", "virus", "not-spam", "auth-failure", "other".
---@field sender? string
---@field recipients string[]
---@field sourceIp? string
---@field domain? string
---@field userAgent? string
---@field date? string
---@field authFailure? string

---@class dsn
local dsn = {}

---Nil for what is no report.
---@param message Message|Mail|string The message, what mime.parse gave, or a raw message.
---@return Report?
function dsn.parse(message) end

---Whether it tells of a delivery that has failed.
---@param message Message|Mail|string
---@return boolean
function dsn.isBounce(message) end

---What a refusal means.
---@param status? string "5.1.1"
---@param text? string
---@return string class
---@return boolean isPermanent
---@return boolean isHard The address itself is no good.
function dsn.classify(status, text) end

return dsn

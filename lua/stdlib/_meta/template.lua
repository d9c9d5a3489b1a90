---@meta template
-- Texts with places to fill in: {{name}}, {{{raw}}}, {{#each list}} … {{else}} … {{/each}},
-- {{#if x}} … {{else}} … {{/if}}, {{#unless x}}, {{! remark }}. Errors name line and column.

---@class template
local template = {}

---Fills in values, escaped for HTML.
---@param text string
---@param values? table<string, any>
---@return string
function template.render(text, values) end

---Fills in values as they are: for plain text.
---@param text string
---@param values? table<string, any>
---@return string
function template.text(text, values) end

---Raises what is wrong with a template.
---@param text string
function template.check(text) end

return template

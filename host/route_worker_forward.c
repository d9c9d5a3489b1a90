/* forward() of a script: as it came with X-… fields on top, with fields changed, in a name of ours, or as an attachment.
 *
 * Nothing is sent in an author's name that its author has not signed (RFC 9989): what breaks the signature needs
 * rewriteFrom, and so does a message that had none and whose author's domain asks others to refuse such. After SRS the
 * envelope's sender is ours, so that SPF no longer speaks for the author. */
#include <stdarg.h>
#include <stdio.h>

#include "binding.h"
#include "route.h"
#include "route_worker.h"

#include "mail/header_edit.h"
#include "mail/wrap.h"

/* Of what one forward() adds, and of what the header may be with its changes. */
#define HEADERS_BYTES_MAX ((size_t)256 * 1024)
#define SECTION_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Of a message of ours around another one. */
#define WRAPPING_BYTES    ((size_t)64 * 1024)
/* Of what the activity log is told about its form. */
#define TOLD_BYTES_MAX    ((size_t)1024)

/* One forward() under way. */
struct forwarding {
    struct passage *passage;
    const struct outcome *outcome;
    const struct config_worker *worker;
    const struct worker_forward *asked;
    struct arena *arena;
    struct worker_answer *answer;
    struct mailbox destination, from; /* from: of rewriteFrom and wrap */
    struct header_edit *edits;
    size_t edit_count;
    struct buf lines, section, wrapped;
};

static const struct header *header_of(const struct forwarding *forwarding)
{
    return &forwarding->passage->message->header;
}

static const struct mailbox *recipient_of(const struct forwarding *forwarding)
{
    return &forwarding->outcome->recipient->mailbox;
}

__attribute__((format(printf, 3, 4))) static bool
refuse(struct forwarding *forwarding, const char *code, const char *format, ...)
{
    va_list arguments;
    struct err err = {0};
    va_start(arguments, format);
    vsnprintf(err.text, sizeof err.text, format, arguments);
    va_end(arguments);
    route_worker_refuse(forwarding->answer, code,
                        arena_str(forwarding->arena, str_of(err.text)));
    return false;
}

/* --- what is asked for; each is false once it has been refused --- */

/* In `forward:` of the worker, or else in `destinations:`. */
static bool check_destination(struct forwarding *forwarding)
{
    const struct binding_patterns *allowed = forwarding->worker->forward_to;
    const struct mailbox *destination = &forwarding->destination;
    if (allowed ? binding_patterns_match(allowed, destination)
                : config_is_destination(forwarding->passage->config, destination))
        return true;
    return refuse(forwarding, "E_RECIPIENT_NOT_ALLOWED",
                  "forward: %.*s is not in `%s:` of %s; add it there",
                  STR_ARG(destination->text), allowed ? "forward" : "destinations",
                  allowed ? "this worker in host.yaml" : "host.yaml");
}

static bool read_destination(struct forwarding *forwarding)
{
    struct str recipient = forwarding->asked->recipient;
    if (mailbox_parse(recipient, forwarding->arena, &forwarding->destination) < 0)
        return refuse(forwarding, "E_VALIDATION_ERROR",
                      "forward: \"%.*s\" is not an address", STR_ARG(recipient));
    return check_destination(forwarding);
}

static bool read_additions(struct forwarding *forwarding)
{
    const struct worker_forward *asked = forwarding->asked;
    for (size_t i = 0; i < asked->header_count; i++)
        if (!str_starts_nocase(asked->headers[i].name, STR("X-")) ||
            header_append(&forwarding->lines, asked->headers[i].name,
                          asked->headers[i].value) != 0)
            return refuse(
                forwarding, "E_HEADER_NOT_ALLOWED",
                "forward: header \"%.*s\": only X-… headers of one line may be added",
                STR_ARG(asked->headers[i].name));
    return true;
}

/* The address of ours that a From of ours names. */
static bool read_from(struct forwarding *forwarding)
{
    const struct worker_forward *asked = forwarding->asked;
    const struct mailbox *recipient = recipient_of(forwarding);
    forwarding->from = *recipient;
    if (asked->wraps && (asked->rewrites_from || asked->set_count || asked->remove_count))
        return refuse(forwarding, "E_VALIDATION_ERROR",
                      "forward: wrap goes without set, remove and rewriteFrom: the message "
                      "within stays as it is");
    if (asked->from.length == 0)
        return true;
    if (mailbox_parse(asked->from, forwarding->arena, &forwarding->from) < 0 ||
        !str_equal(forwarding->from.domain, recipient->domain))
        return refuse(forwarding, "E_VALIDATION_ERROR",
                      "forward: rewriteFrom: \"%.*s\" is not an address of %.*s",
                      STR_ARG(asked->from), STR_ARG(recipient->domain));
    return true;
}

static bool has_edit(const struct forwarding *forwarding, struct str name)
{
    for (size_t i = 0; i < forwarding->edit_count; i++)
        if (str_equal_nocase(forwarding->edits[i].name, name))
            return true;
    return false;
}

static bool add_edit(struct forwarding *forwarding, struct header_edit edit)
{
    struct str name = edit.name;
    if (!header_edit_is_allowed(name))
        return refuse(forwarding, "E_HEADER_NOT_ALLOWED",
                      "forward: header \"%.*s\" may not be changed: there are Subject, "
                      "Reply-To, List-…, Precedence, Auto-Submitted, Comments, Keywords, "
                      "X-…",
                      STR_ARG(name));
    if (has_edit(forwarding, name))
        return refuse(forwarding, "E_VALIDATION_ERROR",
                      "forward: header \"%.*s\" is to be changed twice", STR_ARG(name));
    if (!forwarding->asked->rewrites_from &&
        (!str_starts_nocase(name, STR("X-")) ||
         header_edit_is_signed(header_of(forwarding), name)))
        return refuse(
            forwarding, "E_HEADER_NOT_ALLOWED",
            "forward: header \"%.*s\" is its author's: change it with rewriteFrom = true",
            STR_ARG(name));
    if (!edit.is_removal &&
        header_edit_value(name, edit.value, forwarding->arena, &edit.value) < 0)
        return refuse(forwarding, "E_HEADER_NOT_ALLOWED",
                      "forward: header \"%.*s\" cannot have this value", STR_ARG(name));
    forwarding->edits[forwarding->edit_count++] = edit;
    return true;
}

/* From in the name of our address; and its author, where replies are to go nowhere else. */
static void add_from(struct forwarding *forwarding)
{
    const struct header *header = header_of(forwarding);
    struct arena *arena = forwarding->arena;
    struct str author = header_value(header, STR("From"), arena);
    if (author.length && header_count(header, STR("Reply-To")) == 0 &&
        !has_edit(forwarding, STR("Reply-To")))
        forwarding->edits[forwarding->edit_count++] =
            (struct header_edit){STR("Reply-To"), author, false};
    forwarding->edits[forwarding->edit_count++] = (struct header_edit){
        STR("From"), header_edit_via(header, &forwarding->from, arena), false};
}

static bool read_edits(struct forwarding *forwarding)
{
    const struct worker_forward *asked = forwarding->asked;
    size_t count = asked->set_count + asked->remove_count + 2;
    forwarding->edits = arena_array(forwarding->arena, struct header_edit, count);
    for (size_t i = 0; i < asked->set_count; i++)
        if (!add_edit(forwarding,
                      (struct header_edit){asked->set[i].name, asked->set[i].value, false}))
            return false;
    for (size_t i = 0; i < asked->remove_count; i++)
        if (!add_edit(forwarding, (struct header_edit){asked->remove[i], STR(""), true}))
            return false;
    if (asked->rewrites_from)
        add_from(forwarding);
    return true;
}

/* --- whether the next hop can believe it --- */

/* Nothing will speak for the author there: neither a signature that goes along, nor SPF, nor we ourselves. */
static bool is_unsafe(const struct forwarding *forwarding)
{
    const struct passage *passage = forwarding->passage;
    const struct auth_verdict *verdict = passage->verdict;
    return verdict && verdict->dmarc.policy != DMARC_POLICY_NONE &&
           !verdict->dmarc.is_dkim_aligned &&
           !route_is_ours(passage, verdict->dmarc.from_domain) &&
           !route_is_ours(passage, forwarding->destination.domain);
}

static bool check_safe(struct forwarding *forwarding)
{
    const struct worker_forward *asked = forwarding->asked;
    if (asked->rewrites_from || asked->wraps || asked->anyway || !is_unsafe(forwarding))
        return true;
    const struct auth_dmarc *dmarc = &forwarding->passage->verdict->dmarc;
    return refuse(forwarding, "E_FORWARD_UNSAFE",
                  "forward: %.*s has a DMARC policy (%s) and has not signed this message: "
                  "the next hop would take it for a forgery; choose rewriteFrom, wrap or "
                  "anyway",
                  STR_ARG(dmarc->from_domain), auth_dmarc_policy_name(dmarc->policy));
}

/* --- what goes on --- */

/* The header section as it goes on when nothing is changed: what comes before the body. */
static struct str own_section(const struct forwarding *forwarding)
{
    const struct passage *passage = forwarding->passage;
    struct str raw = blob_view(passage->message->raw);
    const char *body = raw.at + passage->message->header.body_offset;
    struct buf joined;
    buf_init(&joined, SECTION_BYTES_MAX);
    for (size_t i = 0; i < passage->content_count && passage->content[i].at != body; i++)
        if (buf_append(&joined, passage->content[i]) < 0)
            break;
    struct str section = arena_str(forwarding->arena, buf_view(&joined));
    buf_free(&joined);
    return section;
}

static bool change_header(struct forwarding *forwarding)
{
    struct str section = own_section(forwarding);
    struct header header;
    header_parse(section, forwarding->arena, &header);
    if (header_edit_apply(section, &header, forwarding->edits, forwarding->edit_count,
                          &forwarding->section) < 0)
        return refuse(forwarding, "E_HEADER_NOT_ALLOWED",
                      "forward: the header cannot be written with these changes");
    return true;
}

static bool wrap(struct forwarding *forwarding)
{
    const struct passage *passage = forwarding->passage;
    const struct message *message = passage->message;
    struct arena *arena = forwarding->arena;
    struct str id = message_new_id(arena);
    size_t count = passage->content_count + 1;
    struct str *parts = arena_array(arena, struct str, count);
    parts[0] = message->trace;
    for (size_t i = 1; i < count; i++)
        parts[i] = passage->content[i - 1];
    const struct wrap wrap = {
        .to = &forwarding->destination,
        .from_field = header_edit_via(header_of(forwarding), &forwarding->from, arena),
        .subject = header_value(header_of(forwarding), STR("Subject"), arena),
        .message_id = str_of(
            arena_printf(arena, "<%.*s@%s>", STR_ARG(id), passage->config->host_name)),
        .boundary = str_of(arena_printf(arena, "=_%.*s", STR_ARG(message_new_id(arena)))),
        .date_ms = unix_now_ms(),
        .parts = parts,
        .part_count = count,
    };
    if (wrap_message(&wrap, &forwarding->wrapped) < 0)
        return refuse(forwarding, "E_VALIDATION_ERROR",
                      "forward: the message cannot be wrapped");
    return true;
}

/* What the script asked for, for the activity log. */
static struct str told_as(const struct forwarding *forwarding)
{
    const struct worker_forward *asked = forwarding->asked;
    struct buf told;
    buf_init(&told, TOLD_BYTES_MAX);
    for (size_t i = 0; i < asked->header_count; i++)
        buf_printf(&told, "%.*s: %.*s; ", STR_ARG(asked->headers[i].name),
                   STR_ARG(asked->headers[i].value));
    for (size_t i = 0; i < asked->set_count; i++)
        buf_printf(&told, "set %.*s: %.*s; ", STR_ARG(asked->set[i].name),
                   STR_ARG(asked->set[i].value));
    for (size_t i = 0; i < asked->remove_count; i++)
        buf_printf(&told, "remove %.*s; ", STR_ARG(asked->remove[i]));
    if (asked->rewrites_from)
        buf_printf(&told, "rewriteFrom %.*s; ", STR_ARG(forwarding->from.text));
    if (asked->wraps)
        buf_printf(&told, "wrap %.*s; ", STR_ARG(forwarding->from.text));
    struct str text = buf_view(&told);
    if (text.length)
        text = arena_str(forwarding->arena, str_part(text, 0, text.length - 2));
    buf_free(&told);
    return text;
}

static void send_on(struct forwarding *forwarding, struct outcome *outcome)
{
    struct passage *passage = forwarding->passage;
    const struct worker_forward *asked = forwarding->asked;
    if (asked->wraps ? !wrap(forwarding)
                     : forwarding->edit_count && !change_header(forwarding))
        return;
    const struct forward_form form = {.headers = buf_view(&forwarding->lines),
                                      .edited = buf_view(&forwarding->section),
                                      .wrapped = buf_view(&forwarding->wrapped),
                                      .told = told_as(forwarding)};
    const struct leg *leg =
        route_forward(passage, outcome, &forwarding->destination, &form, forwarding->arena);
    forwarding->answer->message_id = passage->message->id;
    route_worker_answer(leg, forwarding->arena, forwarding->answer);
}

void route_worker_forward(struct passage *passage, struct outcome *outcome,
                          const struct config_worker *worker,
                          const struct worker_forward *asked, struct arena *arena,
                          struct worker_answer *answer)
{
    struct forwarding forwarding = {.passage = passage,
                                    .outcome = outcome,
                                    .worker = worker,
                                    .asked = asked,
                                    .arena = arena,
                                    .answer = answer};
    size_t whole_bytes = passage->message->raw->length + passage->message->trace.length;
    buf_init(&forwarding.lines, HEADERS_BYTES_MAX);
    buf_init(&forwarding.section, SECTION_BYTES_MAX);
    buf_init(&forwarding.wrapped, whole_bytes + WRAPPING_BYTES);
    if (read_destination(&forwarding) && read_additions(&forwarding) &&
        read_from(&forwarding) && read_edits(&forwarding) && check_safe(&forwarding))
        send_on(&forwarding, outcome);
    buf_free(&forwarding.lines);
    buf_free(&forwarding.section);
    buf_free(&forwarding.wrapped);
}

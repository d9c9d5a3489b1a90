#include "delivery_notice.h"

#include "base/buf.h"
#include "mail/xtext.h"

/* RFC 6533: the one address type that is not ASCII. */
static bool is_utf8_type(struct str type)
{
    return str_equal_nocase(type, STR("utf-8"));
}

/* What a notice repeats in its header fields must not end them. */
static bool has_control_byte(struct str text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7F)
            return true;
    return false;
}

static bool is_printable_ascii(struct str text)
{
    return !has_control_byte(text) && !str_has_8bit(text);
}

/* --- MAIL --- */

bool dsn_return_parse(struct str value, enum dsn_return *ret)
{
    if (str_equal_nocase(value, STR("FULL")))
        *ret = DSN_RETURN_FULL;
    else if (str_equal_nocase(value, STR("HDRS")))
        *ret = DSN_RETURN_HEADERS;
    else
        return false;
    return true;
}

bool dsn_envid_parse(struct str value, struct arena *arena, struct str *envid)
{
    return value.length > 0 && xtext_decode(value, arena, envid) == 0 &&
           envid->length <= DSN_ENVID_BYTES_MAX && is_printable_ascii(*envid);
}

const char *dsn_mail_parameters(const struct dsn_envelope *envelope, struct arena *arena)
{
    const char *ret = envelope->ret == DSN_RETURN_FULL      ? " RET=FULL"
                      : envelope->ret == DSN_RETURN_HEADERS ? " RET=HDRS"
                                                            : "";
    if (envelope->envid.length == 0 || envelope->envid.length > DSN_ENVID_BYTES_MAX)
        return ret;
    return arena_printf(arena, "%s ENVID=%.*s", ret,
                        STR_ARG(xtext_encode(envelope->envid, arena)));
}

/* --- RCPT --- */

static const struct {
    struct str name;
    enum dsn_notify bit;
} notify_names[] = {
    {{"NEVER", 5}, DSN_NOTIFY_NEVER},
    {{"SUCCESS", 7}, DSN_NOTIFY_SUCCESS},
    {{"FAILURE", 7}, DSN_NOTIFY_FAILURE},
    {{"DELAY", 5}, DSN_NOTIFY_DELAY},
};

enum { NOTIFY_COUNT = sizeof notify_names / sizeof notify_names[0] };

static unsigned notify_bit(struct str name)
{
    for (size_t i = 0; i < NOTIFY_COUNT; i++)
        if (str_equal_nocase(name, notify_names[i].name))
            return notify_names[i].bit;
    return 0;
}

bool dsn_notify_parse(struct str value, unsigned *notify)
{
    unsigned mask = 0;
    bool is_last;
    do {
        is_last = str_index(value, ',') < 0;
        unsigned bit = notify_bit(str_cut(&value, ','));
        if (bit == 0)
            return false;
        mask |= bit;
    } while (!is_last);
    if ((mask & DSN_NOTIFY_NEVER) && mask != DSN_NOTIFY_NEVER)
        return false;
    *notify = mask;
    return true;
}

/* An atom of RFC 5322. */
static bool is_address_type(struct str type)
{
    for (size_t i = 0; i < type.length; i++)
        if (!ascii_alnum(type.at[i]) &&
            str_index(STR("!#$%&'*+-/=?^_`{|}~"), type.at[i]) < 0)
            return false;
    return type.length > 0;
}

bool dsn_orcpt_parse(struct str value, struct arena *arena, struct dsn_recipient *recipient)
{
    if (value.length > DSN_ORCPT_BYTES_MAX)
        return false;
    struct str type = str_cut(&value, ';');
    if (!is_address_type(type) || value.length == 0)
        return false;
    struct str address;
    bool is_utf8 = is_utf8_type(type);
    int result = is_utf8 ? xtext_decode_utf8(value, arena, &address)
                         : xtext_decode(value, arena, &address);
    if (result < 0 || (is_utf8 ? has_control_byte(address) : !is_printable_ascii(address)))
        return false;
    recipient->orcpt_type = arena_str(arena, type);
    recipient->orcpt_address = address;
    return true;
}

static void write_notify(unsigned notify, struct buf *out)
{
    const char *before = " NOTIFY=";
    for (size_t i = 0; i < NOTIFY_COUNT; i++) {
        if (!(notify & notify_names[i].bit))
            continue;
        buf_printf(out, "%s%.*s", before, STR_ARG(notify_names[i].name));
        before = ",";
    }
}

static void write_orcpt(const struct dsn_recipient *recipient, struct arena *arena,
                        struct buf *out)
{
    struct str type = recipient->orcpt_type, address = recipient->orcpt_address;
    if (!is_address_type(type) || type.length + address.length >= DSN_ORCPT_BYTES_MAX)
        return;
    address = is_utf8_type(type) ? xtext_encode_utf8(address, arena)
                                 : xtext_encode(address, arena);
    if (type.length + strlen(";") + address.length <= DSN_ORCPT_BYTES_MAX)
        buf_printf(out, " ORCPT=%.*s;%.*s", STR_ARG(type), STR_ARG(address));
}

const char *dsn_rcpt_parameters(const struct dsn_recipient *recipient, struct arena *arena)
{
    struct buf out;
    buf_init(&out, DSN_ORCPT_BYTES_MAX + 100);
    write_notify(recipient->notify, &out);
    write_orcpt(recipient, arena, &out);
    const char *parameters = arena_text(arena, buf_view(&out));
    buf_free(&out);
    return parameters;
}

struct str dsn_orcpt_text(const struct dsn_recipient *recipient, struct arena *arena)
{
    if (recipient->orcpt_type.length == 0)
        return STR("");
    return str_of(arena_printf(arena, "%.*s;%.*s", STR_ARG(recipient->orcpt_type),
                               STR_ARG(recipient->orcpt_address)));
}

"""What is answered with fixed words, before and instead of any model.

Patterns over the text without punctuation, in simplified characters (`zxo.kit.hanzi.plain`).
Where it is unclear whether somebody means to harm themself, the hotline is shown: a number too
many costs less than one too few. Hotlines: 12356 is the National Health Commission's, nationwide
since May 2025; the others are known for years.
"""

import re
import unicodedata
from typing import Literal

from zxo.kit.hanzi import plain, simplified

Concern = Literal["crisis", "dosing", "diagnosis"]
CRISIS: Concern = "crisis"

ANSWERS: dict[Concern, str] = {
    "crisis": (
        "听到您这么说，我很担心您。您现在的难受是真的，也值得有人马上陪着您。\n"
        "请现在就打一个电话，有人会听您说：\n"
        "· 12356，全国统一心理援助热线\n"
        "· 400-161-9995，希望24热线，全天\n"
        "· 010-82951332，北京市心理援助热线，全天\n"
        "如果您已经伤了自己，或马上会有危险，请打 120 或 110。\n"
        "请先离开危险的地方和东西，叫一位家人或朋友到身边，告诉他您刚才对我说的话。"
        "我只是程序，不能代替他们，但戒烟的事一点不急，您平安最要紧。"
    ),
    "dosing": (
        "戒烟药有用，但用多少、用多久、能不能和别的药一起用，要看您的身体和在吃的药，"
        "我不能替您定，也请别自己加减。\n"
        "1. 先看药盒里的说明书。\n"
        "2. 问开药的医生、戒烟门诊或药店的药师，告诉他您在吃的药、有什么病、是不是怀孕。\n"
        "3. 也可以拨 400-888-5531、400-808-5531 或 12320 咨询。\n"
        "用药后心慌、胸痛、喘不上气、严重皮疹，或不小心用多了，请马上就医或打 120。"
    ),
    "diagnosis": (
        "这需要医生当面看，我不能判断是不是某种病，也不想让您白担心或者耽误。\n"
        "· 胸痛、喘不上气、咳血、冒冷汗、半边麻木或说话不清：现在就打 120，别自己开车。\n"
        "· 其他不舒服：这两天去医院，呼吸科或全科都可以，"
        "告诉医生抽了多少年、每天多少、什么时候停的。\n"
        "不管结果是什么，现在不抽烟都对您有好处。"
    ),
}
SOURCES: dict[Concern, tuple[str, ...]] = {
    "crisis": ("china-12356",),
    "dosing": ("china-guideline-2015", "china-quitlines"),
    "diagnosis": ("china-guideline-2015",),
}


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


# Ways of speaking that hold a word of the lists below and mean something else.
_FIGURES_OF_SPEECH = _any(
    "慢性自杀|自杀式|跳楼(价|机|大甩卖|甩卖)|紫砂(壶|茶|杯|锅|泥)|轻生(活|态|命|物)|上吊(桥|床|灯|瓶|针|车)",
    "不想死|想不想死|[别不]让我死|死在(烟|肺)|想死(你|我了|他|她|它|烟|那|这口|抽)|不想活得|没有?烟.{0,3}活|永别了?(香?烟)|弄死烟",
    "[抽吸]烟?[^我]{0,4}(等于|就是|是在?|无异于|简直是|相当于|跟|和)(自杀|跳楼|寻死|自残)(没区别|一样)?",
    "(伐尼克兰|畅沛|安非他酮|药).{0,8}自杀(的)?(风险|倾向|率|念头)",
)
# 死 that only makes a word stronger, or belongs to one.
_OTHER_DEATHS = _any(
    "[笑烦困累热冷饿急气吓馋憋臭熏痛疼痒恨呛渴辣苦忙愁爽贵咸香酸闷羞丑懒笨傻晕堵挤卡锁封关]死|得(要|半|个)死|死去活来",
    "(难受|无聊|羡慕|高兴|开心|可惜|讨厌|尴尬|丢人|郁闷|委屈|恶心|难过|寂寞|孤独|心疼)死",
    "死(活|心|党|机|亡|板|磕|撑|扛|忍|记|角|结|水|皮|路|敌|缠|盯|守|灰|者|因|刑|海|于|而|也不|都不|不了)",
    "死得(早|快|晚)|[猝该生早致害毒抽病老打往拼至到誓怕送烧淹装作垂]死|不(会|能|怕)死|会不会死|不死心|九死一生",
    "[爷奶爸妈父母亲狗猫他她它友人谁公婆叔舅](都|也|已经|就)?死",
)
_CRISIS = _any(
    # Not wanting to live.
    "不想.{0,4}活(?!得|动|血|该|跃)|活不(下去|了了|成了)|不要活|没法活|活够|活腻|不配活|没必要(再)?活|不值得(再)?活|没(有)?勇气活",
    "活着(真|好|太|也|是)?(没|累|痛苦|难受|多余)|活着.{0,6}(受罪|受苦|煎熬|折磨|浪费|留恋)|生无可恋",
    "对(这个?)?(世界|人间|人生|生活).{0,6}(留恋|绝望|厌倦)|下辈子再?见|来世再?见",
    "活下去(还)?(有|没)|(没|无).{0,4}活(下去|着)|活在(这个?|人)?世.{0,6}(没|累|苦|多余)|不想(再)?存在|(为什么|干嘛)(还)?要活|放弃.{0,4}(生命|性命|条命)|没(有)?(被)?(生下来|出生)|不该(被)?(生|出生|来到)",
    # Wanting to be dead.
    "想死|想去死|(我|要|不如|还是)去死|死掉(算|就|好)|(?<!生)不如死|死的(念头|冲动)|死的心都|寻死|求死",
    "死了(算|就|才|好|拉倒|最好|一了|谁|干净)|死了会?(有人|没人)|一了百了|一死了之|要是我?死|让我死",
    "我死了(以后|之后|他们|大家|你们|是不是)|(在乎|在意|关心|管)我.{0,5}(死|活)|不(想|愿)(再)?看(见|到)明天",
    "怎么死(?![磕撑扛活心机])|死法|无痛(苦)?(的)?死|(没|无)(有)?痛苦?(地|的)?(离开|走掉|结束|死)|安乐死",
    # Doing it, by its names.
    "自杀|自[鲨刹尽残]|自sha|自我(了断|了结|毁灭|伤害)|了断(自己|生命|此生|余生|算)|轻生|短见|紫砂|人生重开|想重开(了|算|$)",
    "了此(一|残)生|了结(自己|生命|一切|这一切|此生|算)",
    "结束(自己|我)?(的)?(生命|性命|人生|一生|这条命|命)|结束自己(?!的)|想?结束(这)?一切",
    # Doing it, by its ways.
    "割(了|自己|自己的)?(腕|脉|手腕)|(手腕|手臂|胳膊)上?.{0,4}[割划]|跳(楼|河|桥|江|海|轨|崖)|跳下去|卧轨|上吊|农药|百草枯|敌敌畏|开煤气",
    "(阳台|楼顶|天台|窗户|窗口|楼上|桥上).{0,6}跳|烧炭(自|死|走|算)|想烧炭|一头撞|撞死|撞车死",
    "(吃|吞|喝)(下|了|光)?(一?整?瓶|一把|很多|大量|所有)(的)?(安眠)?药|吞药(死|自|算|寻)",
    "安眠药.{0,6}(多少|几片|够|能走|全部?|一整?瓶)|(瓶|把|很多|大量|全部|所有|几十).{0,3}安眠药",
    "(杀|弄死|掐死|捅|伤害|毁)(了|死)?我?自己|把自己(弄|掐|勒|饿)死|划(自己|手腕|胳膊)|[割烫掐勒砍扎刺砸](伤|死|了)?自己|殉情",
    "拿刀(割|划|捅)(自己|手)",
    # Being gone.
    "离开(这个)?(人世|世界|世间|人间)|不想(待|留|呆|活)在(这个?)?(世界|世上|人间)|世界再见|(再见|告别)(了)?(这个)?(世界|人世|人间)|(世界|人世|人间)(告别|永别|说再见)|人间不值得",
    "从(这个)?世界(上)?消失|让(我)?自己消失|想(永远|彻底|就这么)?消失(了|掉|算|$)|消失(了|掉)?(也)?没人|永别|永远(睡|沉睡|离开(?!烟|香烟)|闭上)|我死后|活不成",
    "(如果|要是|等|假如)我不在了|没有?我.{0,6}(更好|轻松|好过)|(我|自己)是.{0,5}(累赘|负担).{0,6}(死|不在|活|消失)|遗书|遗言|(交代|安排)后事",
    "再也不(想|要|用)?醒|不想(再)?醒(来|过来)(?!就|抽)|(一觉|长睡|睡过去).{0,3}(不醒|别醒|不要醒)",
    # In English.
    "killmyself|killingmyself|wan(t|na)(to)?die|endmylife|enditall|selfharm|suicid|hurtmyself",
    "(dont|donot|nolonger)wan(t|na)(to)?(live|bealive)|betteroffdead|iw(as|ere|ish).{0,6}dead|bedead|justdie|feellikedying|reasontolive|(not|isnt)worthliving|dontwannawake",
)
_KMS = _any(r"(?<![a-z0-9])(?<!\d )kms(?![a-z0-9])")
# What is said of the craving, too, in the same words: it counts where the sentence has no word of
# smoking.
_PERHAPS_CRISIS = _any(
    "死|活着.{0,6}(意思|意义|难|苦|累|什么|啥)|(人生|生命|生活).{0,3}没(有)?(了)?(意义|意思|希望|盼头)",
    "绝望|我(就|真)?是个?(多余|累赘|负担|废物)|[想求要]解脱|(想|要)了断|一切都(该)?结束",
)
_OF_SMOKING = _any("[烟抽戒瘾癌肺病]")

_CLAUSE_END, _SENTENCE_END = _any(r"[，。！？；、,.!?;:：…~\n]"), _any(r"[。！？；!?;\n]")
_NICOTINE = "贴片|戒烟贴|尼古丁|咀嚼胶|含片|戒烟糖|戒烟口香糖|nrt"
_OTHER_MEDICINE = (
    "药|伐尼克兰|畅沛|安非他酮|金雀花碱|cytisine|varenicline|bupropion"
    "|阿司匹林|布洛芬|头孢|胰岛素|二甲双胍|褪黑素|华法林|茶碱|氯氮平"
)
_MEDICINE, _OTHER = _any(_NICOTINE, _OTHER_MEDICINE), _any(_OTHER_MEDICINE)
_HOW_MUCH = _any(
    "(几|多少)(片|粒|颗|贴|张|块|个|次|毫克|mg|毫升|ml|克|盒|瓶|天的?量|量|周|疗程|小时)|毫克|\\dmg",
    "多大(的)?(剂量|量|号|规格)|剂量|用量|药量|一天(吃|用|贴|嚼)(几|多)",
    "加(大)?量|减(药)?量|加倍|翻倍|减半|过量|超量|怎么(减药|加药)",
    "[多少](吃|用|贴|嚼|含)(一|两|几|点)|停药|能停|可以停|换药|漏(吃|服|贴|了)|忘(记|了)(吃|服|贴)",
    "[吃用服贴嚼含](要|得|该)?(吃|用|服|贴)?(多久|多长时间)|(隔|间隔|每)(多久|几)|疗程",
    "饭前|饭后吃|什么时候(吃|服|开始吃|开始用)|[加减](一|半|两|点)|上限|最多(吃|用|贴|嚼|能)|多大的|小时吗",
)
# What sounds like one: a saying, and what is printed on packets of cigarettes.
_NO_DOSE = _any(
    "换汤不换药",
    r"(\d{1,4}|[一二两三四五六七八九十])?(毫克|mg)的?(焦油|烟碱)",
    "(焦油|烟碱)量?.{0,8}(毫克|mg)",
)
# These ask for an amount of medicine even where no medicine is named.
_PLAIN_DOSE = _any(
    "(一天|每天|一次|每次|一日)[吃服贴嚼含](几|多少)(片|粒|颗|贴|张|块)",
    "(几|多少)(毫克|mg)|贴多大",
)
_TOGETHER = _any(
    "(一起|同时|一块儿?|混着?|合着|配着|掺着)(来)?(吃|用|服|喝|贴|使用|服用)|(能|可以)(一起|同时)",
    "(能|可以)(喝酒|饮酒)|相互作用|冲突|相克|(在|正)(吃|用|服).{0,8}(能|可以|可不可以)(吃|用|服)",
)

# Signs that a doctor must see, whatever is asked about them.
_SIGNS = _any(
    "[咳咯吐痰].{0,6}血|血痰|便血|尿血|胸(痛|疼|闷)|(胸口|胸部|心口|心脏|前胸|左胸).{0,8}(疼|痛|闷|压)",
    "喘不[上过]|上不来气|透不过气|呼吸(很|有点|突然|特别)?(困难|不上来|不过来)|嘴唇(发|变)(紫|青)",
    "半边.{0,4}(麻|瘫|动不了|没知觉|无力)|说话(不清|含糊)|口齿不清",
    "(我|突然|老是?|刚才|又)(晕倒|昏倒|晕厥|昏过去)|声音(嘶哑|沙哑).{0,6}(周|月|久|一直)",
)
_DISEASE = (
    "(?:(早期|晚期)?(肺|喉|胃|口腔|食道|食管|鼻咽|膀胱)?(癌症?|肿瘤)|心梗|心肌梗死|心脏病|冠心病|心绞痛|中风|脑梗"
    "|慢阻肺|肺炎|肺?结核|哮喘|肺气肿|支气管炎|抑郁症|焦虑症|糖尿病|高血压|绝症|什么大?病|什么毛病|有病|生病|恶性|良性)"
)
_ASKS_WHETHER = _any(
    "(是不是|会不会是|有没有可能是|不会是|该不会|难道是|可能是|像不像|是否|算不算|算是)"
    f"(已经)?我?[得患有的]?[了上]?是?{_DISEASE}",
    f"(?<!还)是{_DISEASE}(吗|么|吧|呢|引起的吗|$)|我(是|得了|得的是)什么大?病|这是什么病|什么毛病",
    "诊断(一下|下)|(帮|替|给)我诊断|(我|他|她|爸|妈)还能活(多久|几年|多长)",
    "(ct|片子|报告|化验单|体检单|检查结果|结节|阴影).{0,12}"
    "(怎么看|什么意思|严重吗|要紧吗|严不严重|恶性|良性|是不是癌|要手术|有事吗|正常吗)",
    "(帮我看|看看|看下|看一下).{0,4}(ct|片子|化验单|体检报告|检查报告|检查结果|结节)",
)


def concern(question: str) -> Concern | None:
    """Which fixed answer of `ANSWERS` a question gets; None: it may be answered freely."""
    if _is_crisis(question):
        return "crisis"
    sentences = [_NO_DOSE.sub("、", part) for part in _parts(question, _SENTENCE_END)]
    if any(_SIGNS.search(each) or _ASKS_WHETHER.search(each) for each in sentences):
        return "diagnosis"
    return "dosing" if any(map(_asks_for_dose, sentences)) else None


def mentions_dose(text: str) -> bool:
    """Whether a text tells how much of a medicine to take: amounts of it, how often, how long."""
    folded = simplified(unicodedata.normalize("NFKC", text).casefold())
    return bool(_WEIGHED.search(folded)) or any(map(_counts_out, _SENTENCE_END.split(folded)))


def _parts(text: str, end: re.Pattern[str]) -> list[str]:
    return [plain(part) for part in end.split(text)]


def _is_crisis(question: str) -> bool:
    # Clause by clause too, or the next one could turn 想死 into 想死烟了; and as a whole, because
    # signs can be set between characters.
    whole = plain(question)
    for text in (whole, *_parts(question, _CLAUSE_END)):
        if _CRISIS.search(_FIGURES_OF_SPEECH.sub("、", text)):
            return True
    if any(map(_is_perhaps_crisis, [whole, *_parts(question, _SENTENCE_END)])):
        return True
    return bool(_KMS.search(question.casefold()))


def _is_perhaps_crisis(sentence: str) -> bool:
    literal = _OTHER_DEATHS.sub("、", _FIGURES_OF_SPEECH.sub("、", sentence))
    return bool(_PERHAPS_CRISIS.search(literal)) and not _OF_SMOKING.search(sentence)


def _asks_for_dose(text: str) -> bool:
    if _PLAIN_DOSE.search(text) or (_MEDICINE.search(text) and _HOW_MUCH.search(text)):
        return True
    if mentions_dose(text):
        return True
    # Two forms of nicotine together are a matter of guidelines; with anything else, of a doctor.
    return bool(_OTHER.search(text) and _TOGETHER.search(text))


# Every repetition has an end: a long row of digits must not be tried in all its parts.
_NUMBER = r"(?<![\d.])(?:\d{1,6}(?:\.\d{1,4})?|[一二两三四五六七八九十半几]{1,4})"
_WEIGHED = _any(
    _NUMBER + r"\s?(?:-|~|到|至)?\s?\d{0,5}\s?(?:mg|毫克|μg|ug|mcg|微克|国际单位)",
)
# Not 红了一块, 痒一片: these are of the skin.
_SO_MANY = r"(?<![红肿痒黑青紫烂破])(?<![红肿痒黑青紫烂破]了)" + _NUMBER
_PILLS = _any(
    _SO_MANY + r"\s?(?:片|粒|颗|贴|丸|胶囊)(?!.{0,4}(?:面包|苹果|果|饼干|瓜|肉|姜|柠檬|叶))"
)
_PIECES = _any(_SO_MANY + r"\s?(?:张|块|枚|喷)(?!儿|.{0,2}(?:处方|便签|纸|表))")
_OFTEN = _any("[每一][天日次晚早]|早晚|每隔|每.{0,4}小时|首次|起始")
_SPACED = _any(
    rf"(?:每隔?|间隔)\s?{_NUMBER}\s?个?\s?(?:小时|天)",
    rf"[每一][天日]\s?{_NUMBER}\s?次",
)
_COURSE = _any(
    rf"疗程.{{0,8}}{_NUMBER}\s?个?(?:周|星期|天|月)",
    rf"{_NUMBER}\s?个?(?:周|星期|天|月)[的为]?(?:一个)?疗程",
)
_USED_FOR = _any(
    r"(?:用药|使用|服用|连用|连续|持续).{0,8}?(?<!\d)(?:\d{1,4}|[一二两三四五六七八九十]{1,4})\s?个?(?:周|星期|月)"
)


def _counts_out(sentence: str) -> bool:
    if _COURSE.search(sentence):
        return True
    if not _MEDICINE.search(sentence):
        return bool(_PILLS.search(sentence) and _OFTEN.search(sentence))
    return any(counted.search(sentence) for counted in (_SPACED, _PILLS, _PIECES, _USED_FOR))
